//! The outbox: the ends and the events of runs, on their way to the completer.

use std::sync::Arc;

use tokio::sync::{TryAcquireError, oneshot};

use super::entries::{End, OutboxEntry, ROOM, Waiting};
use super::writer::Writer;
use crate::group_commit::GroupCommit;
use crate::model::*;

/// The runs' side. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    entries: Arc<GroupCommit<Writer>>,
    waiting: Arc<Waiting>,
    events_on: bool,
}

impl Outbox {
    pub(super) fn new(entries: Arc<GroupCommit<Writer>>, waiting: Arc<Waiting>, events_on: bool) -> Self {
        Self { entries, waiting, events_on }
    }

    /// Adds an entry. Waits while there is no room; `false`, and nothing is added, after the outbox was closed.
    async fn add(&self, entry: OutboxEntry) -> bool {
        let Ok(room) = self.waiting.room.acquire().await else { return false };
        room.forget();
        self.put(entry);
        true
    }

    /// Adds an entry for which there is room.
    fn put(&self, entry: OutboxEntry) {
        self.waiting.added();
        self.entries.add(entry);
    }

    /// Adds an event of a run. Without room it overflows: the writer takes it once nothing else waits.
    pub(crate) fn event(&self, event: TaskEvent) {
        if !self.events_on {
            return;
        }
        let Some(run) = event.task_id else { return };
        let mut overflow = self.waiting.overflow.lock();
        if overflow.has(run) {
            overflow.put(run, event);
            return;
        }
        match self.waiting.room.try_acquire() {
            Ok(room) => {
                room.forget();
                self.put(OutboxEntry::Event(event));
            }
            Err(TryAcquireError::NoPermits) => overflow.put(run, event),
            // After the end of the worker nothing is written.
            Err(TryAcquireError::Closed) => {}
        }
    }

    /// Moves the overflow of this run to the entries, one event at a time: if this future is dropped, the rest stays.
    async fn catch_up(&self, run: TaskId) {
        while self.waiting.overflow.lock().has(run) {
            let Ok(room) = self.waiting.room.acquire().await else { return };
            let mut overflow = self.waiting.overflow.lock();
            if let Some(event) = overflow.next(run) {
                room.forget();
                self.put(OutboxEntry::Event(event));
            }
        }
    }

    /// Waits until the events that this run has added are written or dropped.
    pub(crate) async fn flush(&self, run: TaskId) {
        if !self.events_on {
            return;
        }
        self.catch_up(run).await;
        let (done, written) = oneshot::channel();
        if self.add(OutboxEntry::Flush(done)).await {
            let _ = written.await;
        }
    }

    /// Whether events are on.
    pub(super) fn events_on(&self) -> bool {
        self.events_on
    }

    /// Adds an end. Waits while the outbox is full. After the lease is lost or the worker has stopped it is ignored.
    pub(super) async fn ended(&self, mut settlement: Settlement, completed_inside: bool) {
        if completed_inside {
            // This end may be refused, because the user's transaction has completed the task. Its events would be lost
            // with it.
            self.catch_up(settlement.task_id).await;
        } else {
            self.join_overflow(&mut settlement);
        }
        self.add(OutboxEntry::Ended(End { settlement: Box::new(settlement), completed_inside })).await;
    }

    /// Puts the overflow of a run before the events of its end.
    pub(super) fn join_overflow(&self, settlement: &mut Settlement) {
        if self.events_on {
            settlement.events.splice(0..0, self.waiting.overflow.lock().take(settlement.task_id));
        }
    }

    /// Whether all that was added is written.
    pub(super) fn all_written(&self) -> bool {
        self.waiting.is_all_written()
    }

    /// Waits until everything is taken that was added or waited for room before, then takes no more.
    pub(super) async fn close(&self) {
        // A run that has been given room and has not used it yet would lose its entry if the room were closed now.
        let all = self.waiting.room.acquire_many(ROOM as u32).await;
        self.close_now();
        drop(all);
    }

    pub(super) fn close_now(&self) {
        self.waiting.close();
    }

    /// Waits until all that was added is written or given up.
    pub(super) async fn written(&self) {
        self.waiting.until_written().await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use tokio::sync::watch;

    use super::super::completer::Completer;
    use super::*;
    use crate::lease::LeaseState;
    use crate::{Backend, MemoryQueue};

    /// Found by a hostile reader: a run that had been given room was polled after the close, and its end was lost.
    #[tokio::test]
    async fn an_end_that_waited_for_room_before_the_close_is_taken() {
        let (_lease, state) = watch::channel(LeaseState::Held);
        let backend = Backend::new(Arc::new(MemoryQueue::new()));
        let completer = Completer::new(backend, state, Arc::default());
        let outbox = completer.outbox.clone();
        // The storage is behind.
        outbox.waiting.room.acquire_many(ROOM as u32).await.unwrap().forget();
        let (done, _written) = oneshot::channel();
        let mut add = pin!(outbox.add(OutboxEntry::Flush(done)));
        let mut close = pin!(outbox.close());
        assert!(poll!(add.as_mut()).is_pending());
        assert!(poll!(close.as_mut()).is_pending());
        outbox.waiting.room.add_permits(ROOM);
        // Both are woken, and the one that closes happens to be polled first.
        let _ = poll!(close.as_mut());
        assert!(add.await, "it waited before the close");
    }
}
