//! Stopping a worker from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

/// How far a stop has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    /// No more claims; what runs may end.
    Draining,
    /// Runs are asked to stop.
    Now,
}

/// Stops a worker, or all workers of a group, from anywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerHandle(Arc<[Stop]>);

impl WorkerHandle {
    pub(super) fn new(stops: impl IntoIterator<Item = Stop>) -> Self {
        Self(stops.into_iter().collect())
    }

    /// Stops the worker gracefully: it claims no more, releases what it has not begun, and lets runs go on until the
    /// grace time is over. Returns at once; the worker's `run` returns when it is done.
    pub fn stop(&self) {
        self.0.iter().for_each(|one| one.raise(Phase::Draining));
    }

    /// Stops the worker without the grace time: async handlers are dropped and their tasks released, blocking ones are
    /// asked to stop.
    pub fn stop_now(&self) {
        self.0.iter().for_each(|one| one.raise(Phase::Now));
    }

    /// Waits until a stop was asked for, by a handle or by the worker itself, as after the most runs that it may run.
    pub async fn stopping(&self) {
        let mut each: FuturesUnordered<_> = self.0.iter().map(Stop::stopping).collect();
        if each.next().await.is_none() {
            std::future::pending().await
        }
    }

    /// How many runs were going on when the worker had ended, because they ignored the stop; 0 before.
    pub fn left(&self) -> usize {
        self.0.iter().map(|one| one.left.load(Ordering::Acquire)).sum()
    }
}

/// The stop of one worker.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    phase: watch::Sender<Phase>,
    left: Arc<AtomicUsize>,
}

impl Stop {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running), left: Arc::default() }
    }

    pub(super) fn leave(&self, runs: usize) {
        self.left.store(runs, Ordering::Release);
    }

    /// Requests a stop. One that is not further than the present one changes nothing.
    pub(super) fn raise(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let further = phase > *now;
            *now = phase.max(*now);
            further
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until a stop was asked for.
    pub(super) async fn stopping(&self) {
        let mut phase = self.subscribe();
        // The sender is this object's own, so the wait cannot fail.
        let _ = phase.wait_for(|phase| *phase >= Phase::Draining).await;
    }
}
