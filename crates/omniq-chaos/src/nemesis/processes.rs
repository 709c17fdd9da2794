//! Faults of processes: SIGKILL, SIGSTOP with SIGCONT, SIGTERM.

use std::time::Duration;

use rustix::process::Signal;

use super::done::Done;
use crate::fallible::Fallible;
use crate::orders::Role;
use crate::plan::Step;
use crate::world::World;

const ALL: [Role; 4] = [Role::Producer, Role::Worker, Role::Python, Role::Manager];

/// A member that no other fault concerns. It is reserved until this guard is dropped.
struct Held<'a>(&'a World, usize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.busy.borrow_mut().retain(|place| *place != self.1);
    }
}

fn choose<'a>(world: &'a World, roles: &[Role], step: Step) -> Fallible<Held<'a>> {
    let mut busy = world.busy.borrow_mut();
    let free: Vec<_> =
        world.team.borrow().of(roles).into_iter().filter(|place| !busy.contains(place)).collect();
    if free.is_empty() {
        return Err("all processes are being disturbed already".into());
    }
    let place = free[step.pick as usize % free.len()];
    busy.push(place);
    Ok(Held(world, place))
}

pub async fn kill(world: &World, step: Step) -> Fallible<Done> {
    let held = choose(world, &ALL, step)?;
    let mut team = world.team.borrow_mut();
    let who = team.who(held.1);
    team.kill(held.1);
    team.revive(held.1)?;
    Ok((Some(who), String::new()))
}

pub async fn stop(world: &World, step: Step) -> Fallible<Done> {
    let held = choose(world, &ALL, step)?;
    let who = world.team.borrow().who(held.1);
    world.team.borrow().signal(held.1, Signal::STOP);
    tokio::time::sleep(Duration::from_secs_f64(step.secs)).await;
    world.team.borrow().signal(held.1, Signal::CONT);
    Ok((Some(who), format!("{:.1} s", step.secs)))
}

/// The worker must end well, whatever faults are under way.
pub async fn term(world: &World, step: Step) -> Fallible<Done> {
    let held = choose(world, &[Role::Worker, Role::Python], step)?;
    let who = world.team.borrow().who(held.1);
    world.team.borrow().signal(held.1, Signal::TERM);
    let mut waited = Duration::ZERO;
    let patience = Duration::from_secs(40);
    while !world.team.borrow_mut().has_ended(held.1) && waited < patience {
        tokio::time::sleep(Duration::from_millis(50)).await;
        waited += Duration::from_millis(50);
    }
    let mut team = world.team.borrow_mut();
    team.judge_end(held.1, waited);
    team.revive(held.1)?;
    Ok((Some(who), format!("ended after {:.1} s", waited.as_secs_f64())))
}
