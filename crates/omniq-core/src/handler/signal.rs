//! The signal that tells a run to stop, and why.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering, fence};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Why a run must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// A user cancelled the task.
    Cancelled,
    /// The task's timeout is over.
    Timeout,
    /// The worker's lease was lost: another worker may have the task by now.
    LeaseLost,
    /// The worker is stopping and its grace time is over.
    Shutdown,
}

/// Set once; the first reason counts. It allocates nothing, because there is one for each run.
#[derive(Debug, Default)]
pub(crate) struct StopSignal {
    reason: AtomicU8,
    notify: Notify,
    token: OnceLock<CancellationToken>,
}

impl StopSignal {
    pub(crate) fn stop(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Cancelled => 1,
            StopReason::Timeout => 2,
            StopReason::LeaseLost => 3,
            StopReason::Shutdown => 4,
        };
        if self.reason.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.notify.notify_waiters();
            // With the fence in `token`: either the token is seen here, or the reason there.
            fence(Ordering::SeqCst);
            if let Some(token) = self.token.get() {
                token.cancel();
            }
        }
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        match self.reason.load(Ordering::Acquire) {
            0 => None,
            1 => Some(StopReason::Cancelled),
            2 => Some(StopReason::Timeout),
            3 => Some(StopReason::LeaseLost),
            _ => Some(StopReason::Shutdown),
        }
    }

    /// A token that is cancelled with this signal.
    pub(crate) fn token(&self) -> CancellationToken {
        let token = self.token.get_or_init(CancellationToken::new);
        fence(Ordering::SeqCst);
        if self.reason().is_some() {
            token.cancel();
        }
        token.clone()
    }

    pub(crate) async fn stopped(&self) -> StopReason {
        loop {
            // Made before the check, so that a stop right after the check still wakes this.
            let notified = self.notify.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            notified.await;
        }
    }
}
