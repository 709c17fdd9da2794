//! The end of a session: stop claiming, hand back, wait, press, flush, leave.

use std::time::Duration;

use tokio::time::Instant;

use super::Phase;
use super::session::{End, Session};
use crate::Result;
use crate::backend::Report;
use crate::handler::{Context, StopReason};
use crate::model::{Outcome, SettleMode};

/// How long those that were told to stop are waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long the worker's removal may take; without it the lease ends by itself.
const LEAVE: Duration = Duration::from_secs(5);

/// How far the stop of a session has gone.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum Stopping {
    #[default]
    No,
    /// Runs may end by themselves until then.
    Grace(Option<Instant>),
    /// Runs were told to stop and are waited for until then.
    Pressed(Instant),
    /// What still runs is left alone.
    GivenUp,
}

impl Stopping {
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self, Self::No)
    }

    pub(super) async fn time_over(&self) {
        match *self {
            Self::Grace(Some(end)) | Self::Pressed(end) => tokio::time::sleep_until(end).await,
            Self::No | Self::Grace(None) | Self::GivenUp => std::future::pending().await,
        }
    }
}

impl Session<'_> {
    /// Goes as far with the stop as was asked for.
    pub(super) async fn obey(&mut self, phase: Phase) {
        if phase >= Phase::Draining && !self.stopping.is_asked() {
            tracing::info!(worker = self.worker.name(), running = self.running.len(), "worker stops");
            // A grace time beyond the clock's end has no end.
            self.stopping = Stopping::Grace(Instant::now().checked_add(self.worker.settings.grace));
            self.feed.wake();
            self.hand_back().await;
        }
        if phase == Phase::Now && matches!(self.stopping, Stopping::Grace(_)) {
            self.press();
        }
    }

    /// The time of the present step is over.
    pub(super) fn press(&mut self) {
        self.stopping = match self.stopping {
            Stopping::Pressed(_) | Stopping::GivenUp => Stopping::GivenUp,
            Stopping::No | Stopping::Grace(_) => {
                let running = self.running.len();
                tracing::warn!(
                    worker = self.worker.name(),
                    running,
                    "the grace time is over: runs are stopped"
                );
                self.running.stop_all(StopReason::Shutdown);
                Stopping::Pressed(Instant::now() + LAST_WAIT)
            }
        };
    }

    pub(super) fn is_over(&self) -> bool {
        match self.stopping {
            Stopping::No => false,
            Stopping::GivenUp => true,
            Stopping::Grace(_) | Stopping::Pressed(_) => self.running.is_empty() && !self.feed.is_looking(),
        }
    }

    /// Writes what is to be written and removes the worker.
    pub(super) async fn finish(mut self) -> End {
        // As long as an outage would be borne: the heartbeat goes on meanwhile, so there is no other end to it.
        let written = self.settler.close(self.worker.settings.info.lease).await;
        self.lease.stop();
        let left = self.running.len();
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
            // To hand these back now would let them run twice at once.
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

    /// Hands back what still runs, with its events, and removes the worker; with it goes what it claimed and never saw.
    async fn leave(&mut self) -> Result<()> {
        let backend = &self.worker.backend;
        let running = self.running.all();
        let release = |context: &Context| {
            let report = Report::new(context.task(), Outcome::Release);
            let mut settlement = backend.record(Report { worker: Some(self.worker.name()), ..report });
            self.settler.notes.join_late(&mut settlement);
            settlement
        };
        let batch: Vec<_> = running.iter().map(release).collect();
        // What is not settled here goes back with the worker.
        if let Err(error) = backend.settle_all_of(&batch, SettleMode::Each).await {
            tracing::warn!(%error, "runs that go on could not be handed back with their events");
        }
        backend.queue().deregister_worker(self.lease.worker()).await.map(drop)
    }
}
