//! Writes what the outbox gathers: the ends of runs and their events, in batches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::batch::{Batch, BatchWrite};
use super::due_times::DueTimes;
use super::outage::Outage;
use super::outbox::{End, OutboxEntry, Waiting};
use crate::backend::Backend;
use crate::group_commit::{Again, GroupWriter, Rule};
use crate::handler::CatchPanic;
use crate::lease::LeaseState;
use crate::model::CALL_BYTES;
use crate::sync::locked;

/// The shortest and the longest wait before an end is written again.
const DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long ends are written again after the outbox was closed.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// When ends are written. A second write begins for 500 ends; with events there is none, because events of one task must
/// not overtake each other.
pub(super) fn rule(events_on: bool) -> Rule {
    Rule {
        most: 1_000,
        most_bytes: CALL_BYTES,
        second_at: if events_on { None } else { Some(500) },
        beside_single: false,
        turns: 0,
        patience: None,
    }
}

pub(crate) struct Writer {
    pub(super) backend: Backend,
    pub(super) lease: watch::Receiver<LeaseState>,
    pub(super) due_times: DueTimes,
    pub(super) outage: Mutex<Outage>,
    waiting: Arc<Waiting>,
    /// Notified when a batch is written.
    wake: Arc<Notify>,
    delayed: Mutex<Delayed>,
    /// The number of ends that were given up.
    left: AtomicUsize,
    state: watch::Sender<WriterState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    Writing,
    /// Nothing more is written.
    Abandoned,
    /// A write has panicked: which of its tasks are settled is not known.
    Failed,
}

/// Ends that wait to be written again.
#[derive(Debug, Default)]
struct Delayed {
    ends: usize,
    pause: Duration,
}

impl Writer {
    pub(super) fn new(
        backend: Backend,
        lease: watch::Receiver<LeaseState>,
        due_times: DueTimes,
        waiting: Arc<Waiting>,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            backend,
            lease,
            due_times,
            outage: Mutex::new(Outage::new("settling tasks")),
            waiting,
            wake,
            delayed: Mutex::default(),
            left: AtomicUsize::new(0),
            state: watch::Sender::new(WriterState::Writing),
        }
    }

    /// The number of ends that were given up.
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }

    /// Ends writes that are under way, and writes nothing more.
    pub(super) fn abandon(&self) {
        self.state.send_replace(WriterState::Abandoned);
    }

    /// Waits until a write has panicked.
    pub(super) async fn failed(&self) {
        // The sender lives as long as this borrow.
        let _ = self.state.subscribe().wait_for(|state| *state == WriterState::Failed).await;
    }

    /// Has ends written again later, or gives them up if the outbox was closed a while ago.
    fn put_off(&self, ends: Vec<End>) -> Option<Again<OutboxEntry>> {
        let mut delayed = locked(&self.delayed);
        if ends.is_empty() {
            if delayed.ends == 0 {
                delayed.pause = Duration::ZERO;
            }
            return None;
        }
        let closed_at = self.waiting.closed_at();
        if closed_at.is_some_and(|since| since.elapsed() >= LAST_TRIES) {
            tracing::warn!(
                count = ends.len(),
                "runs were not settled; they run again once the lease is over"
            );
            self.left.fetch_add(ends.len(), Ordering::AcqRel);
            return None;
        }
        let longest = if closed_at.is_some() { DELAY.0 } else { DELAY.1 };
        delayed.ends += ends.len();
        delayed.pause = (delayed.pause * 2).clamp(DELAY.0, longest);
        Some(Again { items: ends.into_iter().map(OutboxEntry::Again).collect(), pause: delayed.pause })
    }
}

impl GroupWriter for Writer {
    type Item = OutboxEntry;

    fn bytes(&self, entry: &OutboxEntry) -> usize {
        match entry {
            OutboxEntry::Ended(end) | OutboxEntry::Again(end) => {
                let result = end.settlement.result.as_ref();
                result.and_then(|result| result.value.as_ref()).map_or(0, |value| value.bytes().len())
            }
            OutboxEntry::Event(_) | OutboxEntry::Flush(_) => 0,
        }
    }

    async fn write(&self, entries: Vec<OutboxEntry>) -> Option<Again<OutboxEntry>> {
        let count = entries.len();
        let again = entries.iter().filter(|entry| matches!(entry, OutboxEntry::Again(_))).count();
        locked(&self.delayed).ends -= again;
        let overflow = self.waiting.taken(count - again).into_iter().map(OutboxEntry::Event);
        let batch = Batch::new(entries.into_iter().chain(overflow));
        let mut state = self.state.subscribe();
        let write = CatchPanic::new(Box::pin(BatchWrite::new(self).write(batch)));
        let written = tokio::select! {
            biased;
            _ = state.wait_for(|state| *state != WriterState::Writing) => return None,
            written = write => written,
        };
        let again = match written {
            Ok(ends) => {
                let open = ends.len();
                let again = self.put_off(ends);
                self.waiting.written(if again.is_some() { count - open } else { count });
                again
            }
            Err(panic) => {
                tracing::error!(
                    error = panic.message,
                    "the storage has panicked while runs were settled; the lease is given up, and tasks that were not settled run again"
                );
                self.state.send_replace(WriterState::Failed);
                None
            }
        };
        self.wake.notify_one();
        again
    }
}
