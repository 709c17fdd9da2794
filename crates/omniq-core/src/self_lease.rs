//! The lease of a queue object's own worker, for dequeues without a worker process.

use std::sync::Mutex as StdMutex;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::Result;
use crate::lease::Lease;
use crate::model::*;
use crate::sync::locked;

/// The shortest time between two searches for tasks of lost workers. A dequeue searches when it has claimed nothing.
const RESCUE_INTERVAL: Duration = Duration::from_secs(2);

/// The lease of a queue object's own worker, started at the first dequeue.
#[derive(Debug)]
pub struct SelfLease {
    span: Duration,
    lease: Mutex<Option<Lease>>,
    /// When this object last searched for tasks of lost workers.
    rescued: StdMutex<Option<Instant>>,
}

impl Default for SelfLease {
    fn default() -> Self {
        Self::new(WorkerInfo::LEASE)
    }
}

impl SelfLease {
    /// Starts no lease yet: the first dequeue does, with this span.
    pub fn new(span: Duration) -> Self {
        Self { span, lease: Mutex::new(None), rescued: StdMutex::new(None) }
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

    pub(crate) async fn forget(&self, worker: WorkerId) {
        let mut lease = self.lease.lock().await;
        if lease.as_ref().is_some_and(|lease| lease.worker() == worker) {
            *lease = None;
        }
    }

    /// Ends the heartbeat and returns the worker that the storage must remove, if there is one. Storages call it when
    /// they close.
    pub async fn take(&self) -> Option<WorkerId> {
        self.lease.lock().await.take().map(|lease| lease.worker())
    }
}
