//! What the workers of a group know of each other: whether one of them is still at work.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// One worker's place among those that end together. It is at work until it says otherwise or is dropped.
#[derive(Debug)]
pub(super) struct Together {
    at_work: watch::Sender<usize>,
    is_at_work: AtomicBool,
}

impl Together {
    /// A worker that is by itself.
    pub(super) fn alone() -> Self {
        Self::join(&watch::Sender::new(0))
    }

    /// One more among those whose number this is.
    pub(super) fn join(at_work: &watch::Sender<usize>) -> Self {
        at_work.send_modify(|count| *count += 1);
        Self { at_work: at_work.clone(), is_at_work: AtomicBool::new(true) }
    }

    /// This worker has nothing left but runs that ignore the stop.
    pub(super) fn rest(&self) {
        if self.is_at_work.swap(false, Ordering::AcqRel) {
            self.at_work.send_modify(|count| *count -= 1);
        }
    }

    pub(super) fn all_rest(&self) -> bool {
        *self.at_work.borrow() == 0
    }

    /// Waits until none is at work.
    pub(super) async fn until_all_rest(&self) {
        let mut at_work = self.at_work.subscribe();
        // The sender is this object's own, so the wait cannot fail.
        let _ = at_work.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.rest();
    }
}
