//! The time by which tasks in memory become due and expire. A test can set it forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock;

/// The machine's time, plus what it was set forward by. Clones are the same clock.
///
/// ```
/// # use std::time::Duration;
/// # use omniq_core::{Clock, Dequeue, MemoryQueue, NewTask, Result, TaskQueue};
/// # fn main() -> Result<()> {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let clock = Clock::new();
/// let queue = MemoryQueue::new().with_clock(clock.clone());
/// queue.enqueue(NewTask::new("greet", "Ann")?.delay(Duration::from_secs(7200))).await?;
/// assert!(queue.dequeue(Dequeue::from(["default"])).await?.is_none());
/// clock.advance(Duration::from_secs(7200));
/// assert!(queue.dequeue(Dequeue::from(["default"])).await?.is_some());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// In microseconds.
    ahead: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that shows the machine's time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time by this clock; at most the latest that a `Timestamp` holds.
    pub fn now(&self) -> Timestamp {
        let ahead = Duration::from_micros(self.ahead.load(Ordering::Acquire));
        clock::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Sets the clock forward. Workers that wait for a task hear of it with their next poll.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        let add = |ahead: u64| Some(ahead.saturating_add(by));
        let _ = self.ahead.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }
}
