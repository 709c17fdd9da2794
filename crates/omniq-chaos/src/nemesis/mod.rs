//! The nemesis: carries out the plan. There is one file for each kind of fault.

mod disk;
mod done;
mod locks;
mod network;
mod pooler;
mod processes;
mod restart;
mod sessions;
mod tables;

use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::done::Done;
use crate::clock;
use crate::fallible::Fallible;
use crate::history::What;
use crate::part::Part;
use crate::plan::Step;
use crate::world::World;

/// Carries out all steps, each at its time, even if earlier ones are still under way.
pub async fn carry_out(world: &Rc<World>, plan: &[Step], load: Duration) -> Fallible {
    let begun = Instant::now();
    let mut faults = JoinSet::new();
    for step in plan.iter().copied() {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(step.at)).await;
        world.team.borrow_mut().mend(&world.busy.borrow())?;
        let world = Rc::clone(world);
        faults.spawn_local(async move {
            let at = clock::now();
            let done = one(&world, step).await;
            world.done.borrow_mut().push((step.fault, done.is_ok()));
            let (target, note) = match done {
                Ok(done) => done,
                Err(error) => (None, format!("not carried out: {error:?}")),
            };
            let fault = step.fault.name();
            world.history.write_at(at, What::Fault { fault, target, until: clock::now(), note });
        });
    }
    tokio::time::sleep_until(begun + load).await;
    while let Some(fault) = faults.join_next().await {
        fault?;
    }
    Ok(())
}

async fn one(world: &World, step: Step) -> Fallible<Done> {
    match step.fault {
        Part::Kill => processes::kill(world, step).await,
        Part::Stop => processes::stop(world, step).await,
        Part::Term => processes::term(world, step).await,
        Part::Terminate => sessions::hit(world, step, "pg_terminate_backend").await,
        Part::Cancel => sessions::hit(world, step, "pg_cancel_backend").await,
        Part::Restart => restart::restart(world).await,
        Part::Lock => locks::lock(world, step).await,
        Part::Snapshot => tables::snapshot(world, step).await,
        Part::Vacuum => tables::vacuum(world, step).await,
        Part::Pooler => pooler::restart(world).await,
        Part::Disk => disk::fill(world, step).await,
        Part::Network => network::disturb(world, step).await,
        other => Err(format!("{} is no fault", other.name()).into()),
    }
}

/// Restores everything: the server runs, the proxy passes data, and all processes run.
pub async fn calm(world: &World) -> Fallible {
    restart::ensure(world).await?;
    world.proxy.stall(false);
    world.team.borrow_mut().mend(&[])
}
