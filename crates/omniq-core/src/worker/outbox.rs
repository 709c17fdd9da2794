//! The outbox: the ends and the events of runs, on their way to the completer.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore, TryAcquireError, oneshot};
use tokio::time::Instant;

use super::overflow::Overflow;
use super::writer::Writer;
use crate::group_commit::GroupCommit;
use crate::model::*;

/// The most entries that may wait. A storage that is slower than the handlers thereby slows them down.
pub(super) const ROOM: usize = 2000;

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

/// The runs' side. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    entries: Arc<GroupCommit<Writer>>,
    waiting: Arc<Waiting>,
    events_on: bool,
}

/// What the outbox and the writer know of the entries that are on their way.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Entries that were added and are not written yet.
    open: AtomicUsize,
    /// Notified when none is open.
    written: Notify,
    /// Room for entries. It is closed with the outbox.
    room: Semaphore,
    closed_at: OnceLock<Instant>,
    pub(super) overflow: Overflow,
}

impl Waiting {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            written: Notify::new(),
            room: Semaphore::new(ROOM),
            closed_at: OnceLock::new(),
            overflow: Overflow::default(),
        })
    }

    /// Makes room, and returns events that found none, if nothing else waits: they follow everything that waits of their
    /// runs.
    pub(super) fn taken(&self, entries: usize) -> Vec<TaskEvent> {
        self.room.add_permits(entries);
        let mut overflow = self.overflow.lock();
        if self.room.available_permits() == ROOM { overflow.take_all().collect() } else { Vec::new() }
    }

    /// Entries have been written, or are given up.
    pub(super) fn written(&self, entries: usize) {
        if self.open.fetch_sub(entries, Ordering::AcqRel) == entries {
            self.written.notify_waiters();
        }
    }

    /// When the outbox was closed.
    pub(super) fn closed_at(&self) -> Option<Instant> {
        self.closed_at.get().copied()
    }
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
        self.waiting.open.fetch_add(1, Ordering::AcqRel);
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
        self.waiting.open.load(Ordering::Acquire) == 0
    }

    /// Waits for room behind all that wait for it, then takes no more.
    pub(super) async fn close(&self) {
        drop(self.waiting.room.acquire().await);
        self.close_now();
    }

    pub(super) fn close_now(&self) {
        self.waiting.closed_at.get_or_init(Instant::now);
        self.waiting.room.close();
    }

    /// Waits until all that was added is written or given up.
    pub(super) async fn written(&self) {
        loop {
            let mut written = std::pin::pin!(self.waiting.written.notified());
            written.as_mut().enable();
            if self.all_written() {
                return;
            }
            written.await;
        }
    }
}
