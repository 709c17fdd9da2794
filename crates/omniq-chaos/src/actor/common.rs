//! What all roles do: connect, look at the backlog, wait for the signal to stop.

use std::time::Duration;

use omniq::backend::postgres::{AsyncPostgresBackend, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::fallible::Fallible;

/// Connects as the orders say. Transient errors are retried, because the server may be away.
pub(super) async fn connect(url: &str, pool: usize) -> Fallible<AsyncPostgresBackend> {
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
pub(super) async fn waiting(backend: &AsyncPostgresBackend, queues: &[&str]) -> u64 {
    let figures = backend.queue().queues().await.unwrap_or_default();
    figures
        .iter()
        .filter(|queue| queues.contains(&&*queue.name))
        .map(|queue| queue.ready + queue.scheduled)
        .sum()
}

/// Becomes true with SIGTERM.
pub(super) fn stop_signal() -> Fallible<watch::Receiver<bool>> {
    let (say, stop) = watch::channel(false);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminated.recv().await;
        say.send_replace(true);
        say.closed().await;
    });
    Ok(stop)
}
