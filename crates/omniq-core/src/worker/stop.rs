//! Stopping a worker from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Stops a worker from anywhere. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    phase: watch::Sender<Phase>,
    left: Arc<AtomicUsize>,
}

impl WorkerHandle {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running), left: Arc::default() }
    }

    /// Stops the worker gracefully: it claims no more, releases what it has not begun, and lets runs go on until the
    /// grace time is over. Returns at once; the worker's `run` returns when it is done.
    pub fn stop(&self) {
        self.raise(Phase::Draining);
    }

    /// Stops the worker without the grace time: async handlers are dropped and their tasks released, blocking ones are
    /// asked to stop.
    pub fn stop_now(&self) {
        self.raise(Phase::Now);
    }

    /// How many runs were going on when the worker had ended, because they ignored the stop; 0 before.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }

    pub(super) fn leave(&self, runs: usize) {
        self.left.store(runs, Ordering::Release);
    }

    fn raise(&self, phase: Phase) {
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
