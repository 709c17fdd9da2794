//! The lease of a queue object's own worker, for dequeues without a worker process.

use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::lease::Lease;
use crate::model::*;
use crate::sync::locked;
use crate::{Error, Result, verbs};

/// The shortest time between two searches for tasks of lost workers. A dequeue searches when it has claimed nothing.
const RESCUE_INTERVAL: Duration = Duration::from_secs(2);

/// The lease of a queue object's own worker, started at the first dequeue.
#[derive(Debug)]
pub struct SelfLease {
    span: Duration,
    lease: Mutex<Option<Lease>>,
    /// When this object last searched for tasks of lost workers.
    rescued: StdMutex<Option<Instant>>,
    closed: AtomicBool,
}

impl Default for SelfLease {
    fn default() -> Self {
        Self::new(WorkerInfo::LEASE)
    }
}

impl SelfLease {
    /// Starts no lease yet: the first dequeue does, with this span.
    pub fn new(span: Duration) -> Self {
        Self { span, lease: Mutex::new(None), rescued: StdMutex::new(None), closed: AtomicBool::new(false) }
    }

    /// The lease span that was set for this queue object. It is the default of workers on it.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// The worker of this object; `start` registers it if there is none, or if its lease is over.
    pub(crate) async fn worker<F: Future<Output = Result<Lease>>>(
        &self,
        queues: &[String],
        start: impl FnOnce(WorkerInfo) -> F,
    ) -> Result<WorkerId> {
        let mut lease = self.lease.lock().await;
        if let Some(lease) = lease.as_ref().filter(|lease| lease.is_held()) {
            return Ok(lease.worker());
        }
        let info = WorkerInfo { lease: self.span, ..WorkerInfo::new(queues.iter().cloned()) };
        let new = start(info).await?;
        let worker = new.worker();
        *lease = Some(new);
        Ok(worker)
    }

    /// Whether a search for tasks of lost workers is due; true once per interval.
    pub(crate) fn rescue_is_due(&self) -> bool {
        let mut rescued = locked(&self.rescued);
        let due = rescued.is_none_or(|at| at.elapsed() >= RESCUE_INTERVAL);
        if due {
            *rescued = Some(Instant::now());
        }
        due
    }

    /// Whether a user has asked to stop this task, by what the heartbeat has told.
    pub(crate) async fn cancel_requested(&self, task: &Task) -> Result<bool> {
        if self.closed.load(Ordering::Acquire) {
            return Err(verbs::queue_closed());
        }
        let worker = task.held()?.worker;
        let lease = self.lease.lock().await;
        let own = lease.as_ref().filter(|lease| lease.worker() == worker && lease.is_held());
        let own = own.ok_or_else(|| {
            Error::claim_lost(format!("task {} is not held by this queue object (any more)", task.id))
        })?;
        Ok(own.is_cancelled(task))
    }

    /// Notes that these tasks were claimed just now: what was asked before concerned earlier runs of them. Heartbeats repeat what
    /// still counts.
    pub(crate) async fn has_claimed(&self, tasks: &[Task]) {
        if let Some(lease) = self.lease.lock().await.as_ref() {
            lease.forget_cancelled(tasks);
        }
    }

    pub(crate) async fn forget(&self, worker: WorkerId) {
        let mut lease = self.lease.lock().await;
        if lease.as_ref().is_some_and(|lease| lease.worker() == worker) {
            *lease = None;
        }
    }

    /// Ends the heartbeat and returns the worker that the storage must remove, if there is one. Storages call it when
    /// they close.
    pub async fn take(&self) -> Option<WorkerId> {
        self.closed.store(true, Ordering::Release);
        self.lease.lock().await.take().map(|lease| lease.worker())
    }
}
