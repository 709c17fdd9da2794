//! `omniq-chaos`: breaks everything around a running queue, and checks that the promises hold. See docs/chaos.md.
//!
//! In reading order: `plan` decides what happens when, `world` starts the server, the pooler and the `team`, whose
//! processes each run an `actor` and write their `history`; the `nemesis` carries out the plan; the `checker` gives the
//! verdict, and the `report` prints it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks")]

mod actor;
mod args;
mod checker;
mod clock;
mod course;
mod fallible;
mod history;
mod nemesis;
mod orders;
mod part;
mod plan;
mod report;
mod team;
mod world;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use clap::Parser;

use args::Args;
use fallible::Fallible;

fn main() -> ExitCode {
    let done = match std::env::var(orders::VARIABLE) {
        Ok(orders) => serde_json::from_str(&orders).map_err(Into::into).and_then(actor::play).map(|()| true),
        Err(_) => run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("omniq-chaos: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every promise was kept.
fn run() -> Fallible<bool> {
    let args = Args::parse();
    if rustix::process::geteuid().is_root() && std::env::var_os(world::MOUNTS).is_none() {
        // In a separate mount namespace, mounts end with the processes, however those end.
        let possible = Command::new("unshare").args(["--mount", "true"]).status();
        if possible.is_ok_and(|status| status.success()) {
            let mut again = Command::new("unshare");
            again.arg("--mount").arg(std::env::current_exe()?).args(std::env::args_os().skip(1));
            return Err(again.env(world::MOUNTS, "own").exec().into());
        }
    }
    // One thread, because the processes of the load end when the thread that started them ends.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = args.folder.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("omniq-chaos-{}-{}", args.seed, std::process::id()))
    });
    let local = tokio::task::LocalSet::new();
    let done = runtime.block_on(local.run_until(course::run(args.clone(), folder.clone())));
    // Dropping these ends everything that is still running, with all processes.
    drop(local);
    drop(runtime);
    if !args.keep && !matches!(done, Ok(false)) && args.folder.is_none() {
        world::remove(&folder);
    }
    done
}
