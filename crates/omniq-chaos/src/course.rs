//! The course of a run: load and faults, calm, drain, reading of the tables, verdict.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use omniq::TaskFilter;
use omniq::backend::postgres::AsyncPostgresBackend;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Args;
use crate::checker::{self, Facts};
use crate::fallible::Fallible;
use crate::orders::Role;
use crate::part::Part;
use crate::team::Team;
use crate::world::World;
use crate::{clock, history, nemesis, plan, report};

/// How long the rest of the work may take after the last fault.
const PATIENCE: Duration = Duration::from_secs(90);

/// Whether every promise was kept.
pub async fn run(mut args: Args, folder: PathBuf) -> Fallible<bool> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    args.python = args.python.as_ref().map(std::path::absolute).transpose()?;
    tokio::select! {
        done = course(&args, folder) => done,
        _ = interrupted.recv() => Err("interrupted".into()),
        _ = terminated.recv() => Err("terminated".into()),
    }
}

async fn course(args: &Args, folder: PathBuf) -> Fallible<bool> {
    let steps = plan::plan(args);
    let begun = (clock::now(), Instant::now());
    let shown: Vec<_> = steps.iter().map(ToString::to_string).collect();
    println!("chaos with seed {} for {} minutes: {} faults planned", args.seed, args.minutes, steps.len());
    println!("plan: {}", shown.join(", "));
    let world = Rc::new(World::make(args, &folder).await?);
    if args.has(Part::Disk) && world.disk.is_none() {
        println!(
            "full disk left out: the server's disk cannot be a small one of its own (that needs root and `unshare`)"
        );
    }
    if args.python.is_none() && args.has(Part::Python) {
        println!("no worker in Python: --python names none");
    }
    nemesis::carry_out(&world, &steps, Duration::from_secs_f64(args.minutes * 60.0)).await?;
    let facts = settle(&world).await?;
    let lines = history::read(&folder.join("history"))?;
    let verdict = checker::check(args, &lines, &facts);
    let summary =
        report::summary(args, &world.done.borrow(), &verdict, &lines, begun.1.elapsed().as_secs_f64());
    let details = report::details(&verdict, &lines, &facts, begun.0);
    print!("{summary}{details}");
    let kept = verdict.broken.is_empty();
    if !kept || args.keep {
        if let Ok(server) = world.server.lock() {
            let _ = std::fs::copy(server.log_file(), folder.join("logs/server.log"));
        }
        report::keep(&folder, &format!("{}\n{summary}{details}", shown.join("\n")))?;
        println!("histories, logs and this report: {}", folder.display());
    }
    Ok(kept)
}

/// Ends the faults and the load, waits until the work is done, stops the workers, and reads the tables.
async fn settle(world: &World) -> Fallible<Facts> {
    nemesis::calm(world).await?;
    let mut team = world.team.replace(Team::new(PathBuf::new()));
    team.dismiss(&[Role::Producer, Role::Manager], Duration::from_secs(30)).await;
    let client = world.patient_client().await?;
    let deadline = Instant::now() + PATIENCE;
    let open = "select count(*) from omniq.task_list where state in ('scheduled', 'ready', 'running')";
    let mut left: i64 = client.query_one(open, &[]).await?.get(0);
    while left > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = client.query_one(open, &[]).await?.get(0);
    }
    team.dismiss(&[Role::Worker, Role::Python], Duration::from_secs(30)).await;
    let complaints = std::mem::take(&mut team.complaints);
    drop(team);
    let (listed, unreadable) = match list(&world.db.url()).await {
        Ok(listed) => (listed, None),
        Err(error) => (0, Some(error.to_string())),
    };
    // The last sessions may not have ended yet.
    let others =
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and backend_type = 'client backend'";
    let mut sessions: i64 = 1;
    drop(world.pooler.take());
    for _ in 0..100 {
        sessions = client.query_one(others, &[]).await?.get(0);
        if sessions == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(Facts { left, listed, unreadable, sessions, complaints, ..checker::read(&client).await? })
}

/// All tasks, page by page, as a user would read them.
async fn list(url: &str) -> omniq::Result<usize> {
    let backend = AsyncPostgresBackend::connect(url).await?;
    let (mut count, mut filter) = (0, TaskFilter { limit: Some(1000), ..TaskFilter::default() });
    loop {
        let page = backend.queue().list(&filter).await?;
        count += page.len();
        match page.last() {
            Some(last) => filter.after = Some(last.id),
            None => break,
        }
    }
    backend.close().await?;
    Ok(count)
}
