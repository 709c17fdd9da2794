//! The next due time of the tasks that this worker's own settlements have postponed: a wait that began before does not
//! know of it.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::{Outcome, Settled, Settlement};
use crate::sync::locked;

/// The earliest time only: after it the worker fetches, and its next wait asks the database again. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct DueTimes {
    next: Arc<Mutex<Option<Instant>>>,
    earlier: Arc<Notify>,
}

impl DueTimes {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        locked(&self.next)
    }

    /// Notes settlements that were written a moment ago.
    pub(super) fn note(&self, batch: &[Settlement], answers: &[Settled]) {
        let put_off = batch.iter().zip(answers).filter_map(|(settlement, answer)| match settlement.outcome {
            Outcome::RetryLater { delay, .. } | Outcome::Snooze { delay } if *answer == Settled::Done => {
                Some(delay)
            }
            _ => None,
        });
        let Some(at) = put_off.min().and_then(|delay| Instant::now().checked_add(delay)) else { return };
        let mut next = self.lock();
        if next.is_none_or(|next| at < next) {
            *next = Some(at);
            self.earlier.notify_one();
        }
    }

    /// Waits until a task is due. Dropping this future loses nothing.
    pub(super) async fn due(&self) {
        loop {
            let next = *self.lock();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => break,
                () = self.earlier.notified() => {}
            }
        }
        *self.lock() = None;
    }
}
