//! The processes of the load, in Rust: this program, started again with orders.

mod handlers;
mod manager;
mod payments;
mod producer;
mod worker;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use omniq::backend::postgres::{AsyncPostgresBackend, Settings};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::Fallible;
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

/// Connects as the orders say. Transient errors are retried, because the server may be away.
async fn connect(url: &str, pool: usize) -> Fallible<AsyncPostgresBackend> {
    let settings = Settings::builder()
        .url(url)
        .pool_max(pool)
        .events("postgres")
        .lease(Duration::from_secs_f64(crate::orders::LEASE))
        .acquire_timeout(Duration::from_secs(5))
        .connect_timeout(Duration::from_secs(3))
        .build()?;
    for _ in 0..600 {
        match AsyncPostgresBackend::with_settings(&settings).await {
            Ok(backend) => return Ok(backend),
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => return Err(format!("connecting failed: {error:?}").into()),
        }
    }
    Ok(AsyncPostgresBackend::with_settings(&settings).await?)
}

/// How many tasks of these queues wait; 0 if the queue cannot be read.
async fn waiting(backend: &AsyncPostgresBackend, queues: &[&str]) -> u64 {
    let figures = backend.queue().queues().await.unwrap_or_default();
    figures
        .iter()
        .filter(|queue| queues.contains(&&*queue.name))
        .map(|queue| queue.ready + queue.scheduled)
        .sum()
}

/// Becomes true with SIGTERM.
fn stop_signal() -> Fallible<watch::Receiver<bool>> {
    let (say, stop) = watch::channel(false);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminated.recv().await;
        say.send_replace(true);
        say.closed().await;
    });
    Ok(stop)
}
