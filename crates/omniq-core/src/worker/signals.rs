//! Signals of the operating system as stops: the first one gracefully, the second one at once.

use std::time::Duration;

use super::stop::WorkerHandle;
use crate::{Error, Result};

/// Signals that come together are one: `timeout` of coreutils sends one to the process and one to its group.
const TOGETHER: Duration = Duration::from_millis(100);

/// Listens from now on. The task ends with the runtime, or when it is aborted.
pub(super) fn listen(handle: WorkerHandle) -> Result<tokio::task::JoinHandle<()>> {
    let mut signals = Signals::new()
        .map_err(|error| Error::internal("signals cannot be listened to").with_source(error))?;
    Ok(tokio::spawn(async move {
        signals.next().await;
        tracing::info!("signal received: stopping; another one stops at once");
        handle.stop();
        let _ = tokio::time::timeout(TOGETHER, async {
            loop {
                signals.next().await
            }
        })
        .await;
        signals.next().await;
        tracing::warn!("second signal received: stopping at once");
        handle.stop_now();
    }))
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Without a console there is no signal, ever.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
