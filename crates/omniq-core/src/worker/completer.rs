//! The completer: takes entries from the outbox and writes them in batches, each of as many entries as are waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::Instant;

use super::due_times::DueTimes;
use super::outbox::{Batch, OpenEnds, Outbox, OutboxEntry};
use super::overflow::Overflow;
use super::writer::Writer;
use crate::backend::Backend;
use crate::lease::LeaseState;

/// The most that one call writes.
const BATCH: usize = 1_000;
/// The number of writers, and the number of entries for which a second one starts.
const WRITERS: usize = 2;
const WORTH_A_WRITER: usize = 500;
/// The shortest and the longest wait before a write is repeated.
const DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often a completer that is being closed ends the waits for the event store.
const HURRY: Duration = Duration::from_millis(500);
/// How long writes are repeated after the outbox was closed.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// A running completer. It ends when it is closed, or, if this is dropped, when all runs have dropped their outbox.
#[derive(Debug)]
pub(super) struct Completer {
    pub(super) outbox: Outbox,
    pub(super) due_times: DueTimes,
    backend: Backend,
    task: Option<JoinHandle<usize>>,
}

impl Completer {
    pub(super) fn start(backend: Backend, lease: watch::Receiver<LeaseState>, wake: Arc<Notify>) -> Self {
        let (outbox, from, open) = Outbox::new(backend.events().is_some());
        // Events of one task must not overtake each other.
        let writers = if backend.events().is_some() { 1 } else { WRITERS };
        let due_times = DueTimes::default();
        let free =
            (0..writers).map(|_| Writer::new(backend.clone(), lease.clone(), due_times.clone())).collect();
        let batcher = Batcher {
            from,
            overflow: outbox.overflow().clone(),
            open,
            wake,
            free,
            busy: JoinSet::new(),
            delayed: Delayed::default(),
            closed: None,
        };
        Self { outbox, due_times, backend, task: Some(tokio::spawn(batcher.run())) }
    }

    /// Waits until all is written, or the lease is lost. `false`: some ends could not be written in time; their tasks
    /// return when the lease ends.
    pub(super) async fn close(&mut self, patience: Duration) -> bool {
        let backend = self.backend.clone();
        // A full disk can last for longer than the lease, after which the tasks would run again. Then they are settled
        // without their events.
        let hurry = async {
            tokio::time::sleep(patience * 2 / 3).await;
            loop {
                backend.wait_for_events_no_longer();
                tokio::time::sleep(HURRY).await;
            }
        };
        let ended = async {
            self.outbox.close().await;
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
                tracing::error!(%error, "the completer has failed; tasks that were not settled run again");
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

impl Drop for Completer {
    fn drop(&mut self) {
        self.outbox.try_close();
    }
}

/// Gathers entries into batches. Completions accumulate while a write is in flight, which makes large batches of many
/// small ends; a second writer starts only when [`WORTH_A_WRITER`] are waiting.
struct Batcher {
    from: mpsc::Receiver<OutboxEntry>,
    overflow: Overflow,
    open: OpenEnds,
    wake: Arc<Notify>,
    free: Vec<Writer>,
    /// Each returns with the number of ends that it has written, and those that are to be written again.
    busy: JoinSet<(Writer, usize, Vec<OutboxEntry>)>,
    delayed: Delayed,
    /// Since when no more entries come.
    closed: Option<Instant>,
}

impl Batcher {
    /// Returns the number of ends that were not written.
    async fn run(mut self) -> usize {
        let mut entries = Vec::with_capacity(BATCH);
        let mut left = 0;
        while self.closed.is_none()
            || !entries.is_empty()
            || !self.busy.is_empty()
            || !self.delayed.entries.is_empty()
        {
            let room = BATCH.saturating_sub(entries.len());
            tokio::select! {
                biased;
                Some(done) = self.busy.join_next() => left += self.done(done),
                () = self.delayed.due() => entries.append(&mut self.delayed.entries),
                count = self.from.recv_many(&mut entries, room), if self.closed.is_none() && room > 0 => {
                    if count == 0 {
                        self.closed = Some(Instant::now());
                    }
                }
            }
            self.take_overflow(&mut entries);
            if self.busy.is_empty() || entries.len() >= WORTH_A_WRITER {
                self.start(&mut entries);
            }
        }
        left
    }

    /// Overflow follows everything that the channel holds of its runs, so it is taken once the channel is empty.
    fn take_overflow(&self, entries: &mut Vec<OutboxEntry>) {
        let mut overflow = self.overflow.lock();
        if self.from.is_empty() {
            entries.extend(overflow.take_all().map(OutboxEntry::Event));
        }
    }

    fn start(&mut self, entries: &mut Vec<OutboxEntry>) {
        if entries.is_empty() {
            return;
        }
        let Some(mut writer) = self.free.pop() else { return };
        let batch = Batch::new(entries.drain(..));
        if batch.closed {
            self.from.close();
        }
        self.busy.spawn(async move {
            let count = batch.ended.len();
            let again = writer.write(batch).await;
            (writer, count - again.len(), again)
        });
    }

    /// Returns the number of ends that are given up.
    fn done(&mut self, done: std::result::Result<(Writer, usize, Vec<OutboxEntry>), JoinError>) -> usize {
        match done {
            Ok((writer, count, again)) => {
                self.free.push(writer);
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
            // A panic of a writer ends the completer. A task that was cancelled with its runtime does not.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        0
    }
}

/// Ends that could not be written yet. They are written again later, and delay no others meanwhile.
#[derive(Debug, Default)]
struct Delayed {
    entries: Vec<OutboxEntry>,
    until: Option<Instant>,
    pause: Duration,
}

impl Delayed {
    fn put(&mut self, again: Vec<OutboxEntry>, in_haste: bool) {
        if again.is_empty() {
            if self.entries.is_empty() {
                self.pause = Duration::ZERO;
            }
            return;
        }
        let longest = if in_haste { DELAY.0 } else { DELAY.1 };
        self.pause = (self.pause * 2).clamp(DELAY.0, longest);
        // New entries do not delay those that wait already.
        if self.entries.is_empty() || self.until.is_none() {
            self.until = Some(Instant::now() + self.pause);
        }
        self.entries.extend(again);
    }

    async fn due(&self) {
        match self.until {
            Some(until) if !self.entries.is_empty() => tokio::time::sleep_until(until).await,
            _ => std::future::pending().await,
        }
    }
}
