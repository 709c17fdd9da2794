//! A worker's lease: registered once, kept by a heartbeat from a thread of its own, and given up by itself when it
//! cannot be renewed before others may take its tasks.

use std::collections::HashSet;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::model::*;
use crate::port::{Pulse, TaskQueue};
use crate::{Error, Result};

/// Where a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The claims of the worker hold.
    Held,
    /// They may be others' by now; whatever runs under them must stop.
    Lost,
}

/// A registered worker whose heartbeat runs in the background until this is stopped or dropped.
///
/// The heartbeat comes three times per lease span from a thread that no handler can hold up. If none gets through for nine
/// tenths of the span, counted from when the last good one was sent, the lease is lost: before anybody else may
/// take the tasks.
#[derive(Debug)]
pub struct Lease {
    worker: WorkerId,
    state: watch::Receiver<LeaseState>,
    cancelled: Arc<StdMutex<HashSet<TaskId>>>,
    cancel_signal: watch::Receiver<u64>,
    stop: Option<oneshot::Sender<()>>,
}

impl Lease {
    /// Registers a worker and starts its heartbeat.
    pub async fn start<Q: TaskQueue + ?Sized>(queue: &Q, info: &WorkerInfo) -> Result<Self> {
        info.check()?;
        let sent = Instant::now();
        let worker = queue.register_worker(info).await?;
        let (state_out, state) = watch::channel(LeaseState::Held);
        let (signal_out, cancel_signal) = watch::channel(0);
        let cancelled = Arc::new(StdMutex::new(HashSet::new()));
        let (stop, stopped) = oneshot::channel();
        let keeper = Keeper {
            worker,
            lease: info.lease,
            last_good: sent,
            state: state_out,
            cancelled: Arc::clone(&cancelled),
            cancel_signal: signal_out,
        };
        let pulse = queue.pulse();
        std::thread::Builder::new()
            .name("omniq-heartbeat".to_owned())
            .spawn(move || keeper.run(pulse, stopped))
            .map_err(|error| Error::internal(format!("the heartbeat thread cannot start: {error}")))?;
        Ok(Self { worker, state, cancelled, cancel_signal, stop: Some(stop) })
    }

    /// The worker's id.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Whether the claims still hold. Not without a heartbeat, whatever has ended it.
    pub fn is_held(&self) -> bool {
        *self.state.borrow() == LeaseState::Held && self.state.has_changed().is_ok()
    }

    /// Tells of the loss of the lease.
    pub fn state(&self) -> watch::Receiver<LeaseState> {
        self.state.clone()
    }

    /// Changes whenever users have asked for tasks of this worker to be stopped.
    pub fn cancel_signal(&self) -> watch::Receiver<u64> {
        self.cancel_signal.clone()
    }

    /// Takes the ids of tasks to be stopped.
    pub fn take_cancelled(&self) -> HashSet<TaskId> {
        std::mem::take(&mut *self.cancelled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Ends the heartbeat; the worker stays registered until it is removed or its lease runs out.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// The side of the heartbeat thread.
struct Keeper {
    worker: WorkerId,
    lease: Duration,
    last_good: Instant,
    state: watch::Sender<LeaseState>,
    cancelled: Arc<StdMutex<HashSet<TaskId>>>,
    cancel_signal: watch::Sender<u64>,
}

impl Keeper {
    fn run(self, pulse: Box<dyn Pulse>, stopped: oneshot::Receiver<()>) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = self.beat(pulse) => {}
                    _ = stopped => {}
                }
            }),
            Err(error) => {
                tracing::error!(%error, "the heartbeat cannot start; the lease is given up");
                let _ = self.state.send(LeaseState::Lost);
            }
        }
    }

    async fn beat(&self, mut pulse: Box<dyn Pulse>) {
        let mut last_good = self.last_good;
        let mut pause = self.lease / 3;
        loop {
            let end = last_good + self.lease * 9 / 10;
            tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            let sent = Instant::now();
            // A process that was paused wakes here with its time long over.
            if sent >= end {
                break;
            }
            match tokio::time::timeout_at(end.into(), pulse.heartbeat(self.worker)).await {
                Ok(Ok(beat)) if !beat.alive => break,
                Ok(Ok(beat)) => {
                    last_good = sent;
                    pause = self.lease / 3;
                    self.note_cancelled(beat.cancelled);
                }
                Ok(Err(error)) => {
                    tracing::warn!(worker = %self.worker, %error, "heartbeat failed; will try again");
                    pause = (self.lease / 20).max(Duration::from_millis(20));
                }
                Err(_) => break,
            }
        }
        tracing::warn!(worker = %self.worker, "lease lost: its tasks are stopped and left to other workers");
        let _ = self.state.send(LeaseState::Lost);
    }

    fn note_cancelled(&self, ids: Vec<TaskId>) {
        if !ids.is_empty() {
            self.cancelled.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(ids);
            self.cancel_signal.send_modify(|count| *count += 1);
        }
    }
}
