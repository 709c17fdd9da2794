//! What has become of the runs of a test.

use crate::{EventFilter, EventKind, EventStorage, MemoryEventStorage, Result};

/// How often runs have ended so, and tasks without a run. One task counts several times if it ran several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Drained {
    /// Tasks that completed.
    pub completed: u64,
    /// Tasks that failed for good: dead letters.
    pub failed: u64,
    /// Runs that failed and were followed by another.
    pub retried: u64,
    /// Runs whose task was put off, the attempt not counted.
    pub snoozed: u64,
    /// Tasks that their handler dropped.
    pub discarded: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Tasks whose time to live was over.
    pub expired: u64,
}

impl Drained {
    /// Of all events so far.
    pub(super) async fn of(events: &MemoryEventStorage) -> Result<Self> {
        let count =
            async |kind| events.count(&EventFilter { kind: Some(kind), ..EventFilter::default() }).await;
        Ok(Self {
            completed: count(EventKind::Completed).await?,
            failed: count(EventKind::Failed).await?,
            retried: count(EventKind::Retried).await?,
            snoozed: count(EventKind::Snoozed).await?,
            discarded: count(EventKind::Discarded).await?,
            cancelled: count(EventKind::Cancelled).await?,
            expired: count(EventKind::Expired).await?,
        })
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            completed: self.completed - before.completed,
            failed: self.failed - before.failed,
            retried: self.retried - before.retried,
            snoozed: self.snoozed - before.snoozed,
            discarded: self.discarded - before.discarded,
            cancelled: self.cancelled - before.cancelled,
            expired: self.expired - before.expired,
        }
    }
}
