//! How many runs may go on at once, and a wake-up call when one ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The slots of a worker.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    total: usize,
    used: Arc<AtomicUsize>,
    wake: Arc<Notify>,
}

/// One taken slot; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    used: Arc<AtomicUsize>,
    wake: Arc<Notify>,
}

impl Slots {
    pub(super) fn new(total: usize, wake: Arc<Notify>) -> Self {
        Self { total, used: Arc::default(), wake }
    }

    pub(super) fn free(&self) -> usize {
        self.total.saturating_sub(self.used.load(Ordering::Acquire))
    }

    /// Takes a slot. Only the session takes any, so what it has seen to be free stays so.
    pub(super) fn take(&self) -> Option<Slot> {
        if self.free() == 0 {
            return None;
        }
        self.used.fetch_add(1, Ordering::AcqRel);
        Some(Slot { used: Arc::clone(&self.used), wake: Arc::clone(&self.wake) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.used.fetch_sub(1, Ordering::AcqRel);
        self.wake.notify_one();
    }
}
