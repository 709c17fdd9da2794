//! The end of a session: stop claiming, release, wait, cancel, write, deregister.

use std::time::Duration;

use tokio::time::Instant;

use super::super::stop::Phase;
use super::super::together::Together;
use super::stopping::Stopping;
use super::{End, Session};
use crate::Result;
use crate::backend::Report;
use crate::handler::{Context, StopReason};
use crate::model::{Outcome, SettleMode};

/// How long runs that were asked to stop are waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long the worker's removal may take; without it the lease ends by itself.
const LEAVE: Duration = Duration::from_secs(5);

impl Session<'_> {
    /// Begins a stop, or the next step of it.
    pub(super) async fn apply_phase(&mut self, phase: Phase) {
        if phase >= Phase::Draining && !self.stopping.has_begun() {
            tracing::info!(worker = self.worker.name(), running = self.local_queue.running(), "worker stops");
            // A grace time beyond the clock's end has no end.
            self.stopping = Stopping::Grace(Instant::now().checked_add(self.worker.settings.grace));
            self.fetcher.wake();
            self.release_buffered().await;
        }
        if phase == Phase::Now && matches!(self.stopping, Stopping::Grace(_)) {
            self.cancel_running();
        }
    }

    /// The time of the present step is over.
    pub(super) fn cancel_running(&mut self) {
        self.stopping = match self.stopping {
            Stopping::Cancelled(_) | Stopping::GivenUp => {
                self.worker.together.rest();
                Stopping::GivenUp
            }
            Stopping::No | Stopping::Grace(_) => {
                let running = self.local_queue.running();
                tracing::warn!(
                    worker = self.worker.name(),
                    running,
                    "the grace time is over: runs are stopped"
                );
                self.local_queue.stop_runs(StopReason::Shutdown);
                Stopping::Cancelled(Instant::now() + LAST_WAIT)
            }
        };
    }

    pub(super) fn is_over(&self) -> bool {
        match self.stopping {
            Stopping::No => false,
            Stopping::GivenUp if self.goes_last().is_none_or(Together::all_rest) => true,
            Stopping::Grace(_) | Stopping::Cancelled(_) | Stopping::GivenUp => {
                self.local_queue.running() == 0 && !self.fetcher.is_fetching()
            }
        }
    }

    /// The others of the group, if they are waited for: what goes on is handed back as the process ends. Before, it would run twice
    /// at once.
    fn goes_last(&self) -> Option<&Together> {
        self.worker.settings.ends_process.then_some(&self.worker.together)
    }

    /// Writes the remaining entries and deregisters the worker.
    pub(super) async fn finish(mut self) -> End {
        // For one lease: the heartbeat goes on, so an outage would not end this wait by itself.
        let written = self.completer.close(self.worker.settings.info.lease).await;
        self.lease.stop();
        let left = self.local_queue.running();
        self.worker.handle.leave(left);
        let hands_back = self.worker.settings.ends_process && self.failed.is_none();
        if written && left > 0 && hands_back {
            tracing::warn!(
                worker = self.worker.name(),
                left,
                "runs go on; they end with the process, and their tasks are handed back"
            );
        }
        if !written {
            tracing::warn!(worker = self.worker.name(), "the worker stays registered until its lease ends");
        } else if left > 0 && !hands_back {
            self.cancel_what_went_back().await;
            // If these were released now, they would run twice at once.
            tracing::warn!(
                worker = self.worker.name(),
                left,
                "blocking handlers go on; their tasks are left to the lease"
            );
        } else {
            match tokio::time::timeout(LEAVE, self.leave()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the worker could not be removed; its lease ends by itself")
                }
                Err(_) => {
                    tracing::warn!("the worker was not removed within {LEAVE:?}; its lease ends by itself")
                }
            }
        }
        match self.failed.take() {
            Some(error) => End::Failed(error),
            None => End::Stopped,
        }
    }

    async fn cancel_what_went_back(&mut self) {
        match tokio::time::timeout(LEAVE, self.cancel_handed_back()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "tasks that were cancelled while this worker held them may run again")
            }
            Err(_) => {
                tracing::warn!(
                    "tasks that were cancelled while this worker held them may run again: no answer within {LEAVE:?}"
                )
            }
        }
    }

    /// Releases what still runs, with its events, and deregisters the worker, which releases orphaned claims.
    async fn leave(&mut self) -> Result<()> {
        let backend = &self.worker.backend;
        let running = self.local_queue.runs();
        let release = |context: &Context| {
            self.handed_back.add(context.task(), &Outcome::Release);
            let report = Report::new(context.task(), Outcome::Release);
            let mut settlement = backend.record(Report { worker: Some(self.worker.name()), ..report });
            self.completer.outbox.join_overflow(&mut settlement);
            settlement
        };
        let batch: Vec<_> = running.iter().map(release).collect();
        // What is not settled here is released with the worker.
        if let Err(error) = backend.settle(&batch, SettleMode::Each).await {
            tracing::warn!(%error, "runs that go on could not be handed back with their events");
        }
        self.cancel_what_went_back().await;
        backend.queue().deregister_worker(self.lease.worker()).await.map(drop)
    }
}
