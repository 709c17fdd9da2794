//! How many runs have ended, and how: for the summary in the log, and for the number of runs after which a worker stops.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stop::{Phase, Stop};
use crate::model::Outcome;

/// The counts of one worker since its start.
#[derive(Debug)]
pub(super) struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    ended: AtomicU64,
    /// After how many runs the worker stops.
    most: Option<u64>,
    stop: Stop,
}

impl Tally {
    pub(super) fn new(most: Option<u64>, stop: Stop) -> Self {
        Self { done: AtomicU64::new(0), failed: AtomicU64::new(0), ended: AtomicU64::new(0), most, stop }
    }

    /// Counts a run that has ended; `None`: nothing may be settled, because the lease is lost.
    pub(super) fn count(&self, outcome: Option<&Outcome>) {
        match outcome {
            Some(Outcome::Complete) => _ = self.done.fetch_add(1, Ordering::Relaxed),
            Some(Outcome::Fail { .. } | Outcome::RetryLater { .. }) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if self.most.is_some_and(|most| ended == most) {
            tracing::info!(runs = ended, "the worker has run as many tasks as it was allowed to: it stops");
            self.stop.raise(Phase::Draining);
        }
    }

    /// Whether the worker has run as many tasks as it may.
    pub(super) fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.ended.load(Ordering::Relaxed) >= most)
    }

    /// The runs that were done, and those that have failed.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}
