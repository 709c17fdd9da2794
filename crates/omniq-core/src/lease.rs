//! A worker's lease: registered once, kept by a heartbeat from a thread of its own, and given up by itself when it
//! cannot be renewed before others may take its tasks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::model::*;
use crate::port::{HeartbeatConnection, TaskQueue};
use crate::{Error, Result};

/// Where a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// The claims of the worker hold.
    Held,
    /// They may be others' by now; whatever runs under them must stop.
    Lost,
}

/// Until when a lease holds by this process's own clock. Cheap to clone.
///
/// A process that was stopped and goes on finds its lease over here at once; its heartbeat says so only when its thread runs again.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    epoch: Instant,
    /// Nanoseconds from the epoch.
    end: Arc<AtomicU64>,
}

impl Term {
    /// A term for a lease whose last good heartbeat was sent at this time: nine tenths of the lease.
    fn new(last_good: Instant, lease: Duration) -> Self {
        let term = Self { epoch: last_good, end: Arc::default() };
        term.renew(last_good, lease);
        term
    }

    fn renew(&self, last_good: Instant, lease: Duration) {
        let end = last_good.saturating_duration_since(self.epoch) + lease * 9 / 10;
        self.end.store(u64::try_from(end.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn end(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.end.load(Ordering::Acquire))
    }

    /// Whether others may have the claims at this time.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.end()
    }
}

/// A registered worker whose heartbeat runs in the background until this is stopped or dropped.
///
/// The heartbeat comes three times per lease span from a thread that no handler can hold up. If none gets through for nine
/// tenths of the span, counted from when the last good one was sent, the lease is lost: before anybody else may
/// take the tasks.
#[derive(Debug)]
pub struct Lease {
    worker: WorkerId,
    term: Term,
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
        let term = Term::new(sent, info.lease);
        let keeper = Keeper {
            worker,
            lease: info.lease,
            term: term.clone(),
            state: state_out,
            cancelled: Arc::clone(&cancelled),
            cancel_signal: signal_out,
        };
        let heartbeats = queue.heartbeat_connection();
        std::thread::Builder::new()
            .name("omniq-heartbeat".to_owned())
            .spawn(move || keeper.run(heartbeats, stopped))
            .map_err(|error| Error::internal(format!("the heartbeat thread cannot start: {error}")))?;
        Ok(Self { worker, term, state, cancelled, cancel_signal, stop: Some(stop) })
    }

    /// The worker's id.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Whether the claims still hold. Not without a heartbeat, whatever has ended it, and not once its time is over.
    pub fn is_held(&self) -> bool {
        *self.state.borrow() == LeaseState::Held
            && self.state.has_changed().is_ok()
            && !self.term.is_over(Instant::now())
    }

    /// Until when the claims hold.
    pub(crate) fn term(&self) -> Term {
        self.term.clone()
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
    term: Term,
    state: watch::Sender<LeaseState>,
    cancelled: Arc<StdMutex<HashSet<TaskId>>>,
    cancel_signal: watch::Sender<u64>,
}

impl Keeper {
    fn run(self, heartbeats: Box<dyn HeartbeatConnection>, stopped: oneshot::Receiver<()>) {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(async {
                tokio::select! {
                    () = self.beat(heartbeats) => {}
                    _ = stopped => {}
                }
            }),
            Err(error) => {
                tracing::error!(%error, "the heartbeat cannot start; the lease is given up");
                let _ = self.state.send(LeaseState::Lost);
            }
        }
    }

    async fn beat(&self, mut heartbeats: Box<dyn HeartbeatConnection>) {
        let mut pause = self.lease / 3;
        loop {
            let end = self.term.end();
            tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            let sent = Instant::now();
            // A process that was paused wakes here with its time long over.
            if sent >= end {
                break;
            }
            match tokio::time::timeout_at(end.into(), heartbeats.heartbeat(self.worker)).await {
                Ok(Ok(beat)) if !beat.alive => break,
                Ok(Ok(beat)) => {
                    self.term.renew(sent, self.lease);
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
