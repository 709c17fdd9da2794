//! How many runs may go on at once, how long any went on, and a wake-up call when a slot is free again.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The slots of a worker.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    total: usize,
    usage: Arc<Usage>,
}

/// One taken slot; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    usage: Arc<Usage>,
}

#[derive(Debug)]
struct Usage {
    state: Mutex<State>,
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// Since when at least one is used.
    since: Option<Instant>,
    /// How long at least one was used, until `since`.
    before: Duration,
}

impl Slots {
    pub(super) fn new(total: usize, wake: Arc<Notify>) -> Self {
        Self { total, usage: Arc::new(Usage { state: Mutex::default(), wake }) }
    }

    pub(super) fn free(&self) -> usize {
        self.total.saturating_sub(self.usage.lock().used)
    }

    /// Takes a slot. Only the session takes any, so what it has seen to be free stays so.
    pub(super) fn take(&self) -> Option<Slot> {
        let mut state = self.usage.lock();
        if state.used >= self.total {
            return None;
        }
        state.used += 1;
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        Some(Slot { usage: Arc::clone(&self.usage) })
    }

    /// How long there was something to do so far: while at least one slot was used.
    pub(super) fn busy(&self) -> Duration {
        let state = self.usage.lock();
        state.before + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Usage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.usage.lock();
        state.used -= 1;
        if state.used == 0
            && let Some(since) = state.since.take()
        {
            state.before += since.elapsed();
        }
        drop(state);
        self.usage.wake.notify_one();
    }
}
