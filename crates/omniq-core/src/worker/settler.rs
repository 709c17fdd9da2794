//! Writes what runs hand over, as much at a time as is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use super::clerk::Clerk;
use super::dues::Dues;
use super::late::Late;
use super::notes::{Batch, Note, Notes, OpenEnds};
use crate::backend::Backend;
use crate::lease::LeaseState;

/// The most that one call writes.
const BATCH: usize = 1_000;
/// How many batches are written at a time, and how large a second one must be.
const CLERKS: usize = 2;
const WORTH_A_CLERK: usize = 500;
/// The shortest and the longest wait before what could not be written is tried again.
const DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often a settler that is to end says that nothing waits for the event store any longer.
const HURRY: Duration = Duration::from_millis(500);
/// How long it is tried once everything else is written and the worker stops.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// A settler at work; it ends when it is closed, or, if this is dropped, when all runs have let go of it.
#[derive(Debug)]
pub(super) struct Settler {
    pub(super) notes: Notes,
    pub(super) dues: Dues,
    backend: Backend,
    task: Option<JoinHandle<usize>>,
}

impl Settler {
    pub(super) fn start(backend: Backend, lease: watch::Receiver<LeaseState>, wake: Arc<Notify>) -> Self {
        let (notes, from, open) = Notes::new(backend.events().is_some());
        // Events of one task must not overtake each other.
        let clerks = if backend.events().is_some() { 1 } else { CLERKS };
        let dues = Dues::default();
        let free = (0..clerks).map(|_| Clerk::new(backend.clone(), lease.clone(), dues.clone())).collect();
        let desk = Desk {
            from,
            late: notes.late().clone(),
            open,
            wake,
            free,
            busy: JoinSet::new(),
            delayed: Delayed::default(),
            closed: None,
        };
        Self { notes, dues, backend, task: Some(tokio::spawn(desk.work())) }
    }

    /// Waits until all is written, or the lease is lost. `false`: some ends could not be written in time, and their tasks are
    /// left to the lease.
    pub(super) async fn close(&mut self, patience: Duration) -> bool {
        let backend = self.backend.clone();
        // A lack of room can last for longer than the lease, after which the runs would be done again: rather without their events.
        let hurry = async {
            tokio::time::sleep(patience * 2 / 3).await;
            loop {
                backend.wait_for_events_no_longer();
                tokio::time::sleep(HURRY).await;
            }
        };
        let ended = async {
            self.notes.close().await;
            match self.task.as_mut() {
                Some(task) => task.await,
                None => Ok(0),
            }
        };
        let closed = tokio::time::timeout(patience, async {
            tokio::select! {
                ended = ended => ended,
                never = hurry => never,
            }
        });
        match closed.await {
            Ok(Ok(left)) => left == 0,
            Ok(Err(error)) => {
                tracing::error!(%error, "the settler broke; tasks that were not settled run again");
                false
            }
            Err(_) => {
                tracing::warn!(
                    "runs were not settled within {patience:?} of the stop; they run again once the lease is over"
                );
                if let Some(task) = &self.task {
                    task.abort();
                }
                false
            }
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.notes.try_close();
    }
}

/// Gathers notes and hands them to clerks. What comes while one clerk is at work waits for him, which makes large batches of many
/// small ends; only where that is a batch by itself, another clerk takes it.
struct Desk {
    from: mpsc::Receiver<Note>,
    late: Late,
    open: OpenEnds,
    wake: Arc<Notify>,
    free: Vec<Clerk>,
    /// Each gives himself back, with the number of ends that he has dealt with and those that are to be tried again.
    busy: JoinSet<(Clerk, usize, Vec<Note>)>,
    delayed: Delayed,
    /// Since when no more notes come.
    closed: Option<Instant>,
}

impl Desk {
    /// Returns how many ends were not written.
    async fn work(mut self) -> usize {
        let mut notes = Vec::with_capacity(BATCH);
        let mut left = 0;
        while self.closed.is_none()
            || !notes.is_empty()
            || !self.busy.is_empty()
            || !self.delayed.notes.is_empty()
        {
            let room = BATCH.saturating_sub(notes.len());
            tokio::select! {
                biased;
                Some(done) = self.busy.join_next() => left += self.done(done),
                () = self.delayed.due() => notes.append(&mut self.delayed.notes),
                count = self.from.recv_many(&mut notes, room), if self.closed.is_none() && room > 0 => {
                    if count == 0 {
                        self.closed = Some(Instant::now());
                    }
                }
            }
            self.take_late(&mut notes);
            if self.busy.is_empty() || notes.len() >= WORTH_A_CLERK {
                self.start(&mut notes);
            }
        }
        left
    }

    /// Late events stand behind all that the channel holds of their runs: so they come once it is empty.
    fn take_late(&self, notes: &mut Vec<Note>) {
        let mut late = self.late.lock();
        if self.from.is_empty() {
            notes.extend(late.take_all().map(Note::Event));
        }
    }

    fn start(&mut self, notes: &mut Vec<Note>) {
        if notes.is_empty() {
            return;
        }
        let Some(mut clerk) = self.free.pop() else { return };
        let batch = Batch::new(notes.drain(..));
        if batch.closed {
            self.from.close();
        }
        self.busy.spawn(async move {
            let count = batch.ended.len();
            let again = clerk.write(batch).await;
            (clerk, count - again.len(), again)
        });
    }

    /// Returns how many ends are given up.
    fn done(&mut self, done: std::result::Result<(Clerk, usize, Vec<Note>), JoinError>) -> usize {
        match done {
            Ok((clerk, count, again)) => {
                self.free.push(clerk);
                let left = again.len();
                let late = self.closed.is_some_and(|since| since.elapsed() >= LAST_TRIES);
                if left > 0 && late {
                    tracing::warn!(
                        count = left,
                        "runs were not settled; they run again once the lease is over"
                    );
                    self.open.written(count + left);
                    self.wake.notify_one();
                    return left;
                }
                self.delayed.put(again, self.closed.is_some());
                self.open.written(count);
                self.wake.notify_one();
            }
            // The desk breaks as it would without clerks; a runtime that goes down breaks nothing.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        0
    }
}

/// Ends that could not be written yet: they are tried again by and by, and hold up no others meanwhile.
#[derive(Debug, Default)]
struct Delayed {
    notes: Vec<Note>,
    until: Option<Instant>,
    pause: Duration,
}

impl Delayed {
    fn put(&mut self, again: Vec<Note>, in_haste: bool) {
        if again.is_empty() {
            if self.notes.is_empty() {
                self.pause = Duration::ZERO;
            }
            return;
        }
        let longest = if in_haste { DELAY.0 } else { DELAY.1 };
        self.pause = (self.pause * 2).clamp(DELAY.0, longest);
        // What has waited longer is not put off by what has just come.
        if self.notes.is_empty() || self.until.is_none() {
            self.until = Some(Instant::now() + self.pause);
        }
        self.notes.extend(again);
    }

    async fn due(&self) {
        match self.until {
            Some(until) if !self.notes.is_empty() => tokio::time::sleep_until(until).await,
            _ => std::future::pending().await,
        }
    }
}
