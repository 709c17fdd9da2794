//! The entries of the outbox, and what the outbox and its writer know of those that are on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore, oneshot};

use super::overflow::Overflow;
use crate::model::*;

/// The most entries that may wait. A storage that is slower than the handlers thereby slows them down.
pub(super) const ROOM: usize = 1000;

#[derive(Debug)]
pub(crate) enum OutboxEntry {
    Event(TaskEvent),
    /// Answered once the events before it have been written.
    Flush(oneshot::Sender<()>),
    /// The end of a run.
    Ended(End),
    /// An end that could not be written, to be tried again. It takes no room.
    Again(End),
}

#[derive(Debug)]
pub(crate) struct End {
    pub(super) settlement: Box<Settlement>,
    /// Whether the user's transaction may have completed the task.
    pub(super) completed_inside: bool,
}

/// What the outbox and the writer know of the entries that are on their way.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Entries that were added and are not taken for a write yet.
    queued: AtomicUsize,
    /// Entries that were added and are not written yet.
    open: AtomicUsize,
    /// Notified when none is open.
    written: Notify,
    /// Room for entries. It is closed with the outbox.
    pub(super) room: Semaphore,
    pub(super) overflow: Overflow,
}

impl Waiting {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            queued: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            written: Notify::new(),
            room: Semaphore::new(ROOM),
            overflow: Overflow::default(),
        })
    }

    /// Makes room for as many entries as were taken for a write. Returns the events that had found none, if no entry waits:
    /// they follow everything that waits of their runs.
    pub(super) fn taken(&self, entries: usize) -> Vec<TaskEvent> {
        let left = self.queued.fetch_sub(entries, Ordering::AcqRel) - entries;
        self.room.add_permits(entries);
        if left > 0 {
            return Vec::new();
        }
        let mut overflow = self.overflow.lock();
        // Events are added under this lock, and an end only after its run's overflow has left.
        if self.queued.load(Ordering::Acquire) == 0 { overflow.take_all().collect() } else { Vec::new() }
    }

    /// Entries have been written, or are given up.
    pub(super) fn written(&self, entries: usize) {
        if self.open.fetch_sub(entries, Ordering::AcqRel) == entries {
            self.written.notify_waiters();
        }
    }

    /// Whether the outbox was closed.
    pub(super) fn is_closed(&self) -> bool {
        self.room.is_closed()
    }

    /// An entry has been added.
    pub(super) fn added(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn is_all_written(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    pub(super) async fn until_written(&self) {
        loop {
            let mut written = std::pin::pin!(self.written.notified());
            written.as_mut().enable();
            if self.is_all_written() {
                return;
            }
            written.await;
        }
    }

    pub(super) fn close(&self) {
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a hostile reader: room that a waiting run gets at once was taken for an entry that waits.
    #[tokio::test]
    async fn a_run_that_waits_for_room_does_not_hold_back_the_overflow() {
        let waiting = Waiting::new();
        for _ in 0..ROOM {
            waiting.room.acquire().await.unwrap().forget();
            waiting.added();
        }
        let task = Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), 1, jiff::Timestamp::now());
        waiting.overflow.lock().put(task.id, TaskEvent::of(&task, EventKind::Started));
        let mut waiter = std::pin::pin!(waiting.room.acquire());
        assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        assert_eq!(waiting.taken(ROOM).len(), 1, "all entries were taken, and nothing was added since");
    }
}
