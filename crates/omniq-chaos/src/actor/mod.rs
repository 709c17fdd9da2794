//! The processes of the load, in Rust: this program, started again with orders.

mod common;
mod handlers;
mod manager;
mod payments;
mod producer;
mod worker;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::fallible::Fallible;
use crate::history::Writer;
use crate::orders::{Orders, Role, VARIABLE};

/// Plays the role until SIGTERM.
pub fn play(orders: Orders) -> Fallible {
    // A killed run must leave no processes running.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if orders.role == Role::Python {
        let (python, script) =
            orders.python.as_ref().zip(orders.script.as_ref()).ok_or("no Python was named")?;
        // `exec` keeps the pid and the death with the parent.
        let error = Command::new(python).arg(script).env(VARIABLE, serde_json::to_string(&orders)?).exec();
        return Err(error.into());
    }
    omniq::logging::init_from_env()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let history = Arc::new(Writer::open(&orders.history, &orders.who)?);
    runtime.block_on(async {
        match orders.role {
            Role::Producer => producer::run(&orders, &history).await,
            Role::Manager => manager::run(&orders, &history).await,
            Role::Worker | Role::Python => worker::run(&orders, history).await,
        }
    })?;
    // A blocking handler that does not notice the stop must not delay the end.
    runtime.shutdown_timeout(Duration::from_secs(2));
    Ok(())
}
