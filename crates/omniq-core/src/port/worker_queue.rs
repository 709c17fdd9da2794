//! What workers call on a task queue: leases, claims, wake-ups and hand-off.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use omniq_macros::layered;

use super::heartbeat::HeartbeatConnection;
use crate::Result;
use crate::lease::Lease;
use crate::model::*;
use crate::self_lease::SelfLease;

/// A queue as workers see it.
#[layered(WorkerLayer, WorkerVerbs)]
#[async_trait]
pub trait WorkerQueue: Debug + Send + Sync + 'static {
    /// The lease of this object's own worker, for [`dequeue`](super::TaskQueue::dequeue).
    fn self_lease(&self) -> &SelfLease;

    /// A connection for heartbeats alone, because neither a full pool nor a busy runtime may delay them.
    fn heartbeat_connection(&self) -> Box<dyn HeartbeatConnection>;

    /// Adds a worker and starts the heartbeat that keeps its lease. After a crash the worker stays registered until its lease
    /// ends.
    ///
    /// Errors: `is_invalid` for bad names or a lease below 100 ms; those of [`register_worker`](Self::register_worker);
    /// `is_internal` if the heartbeat's thread cannot start.
    async fn start_lease(&self, info: &WorkerInfo) -> Result<Lease> {
        info.check()?;
        let sent = Instant::now();
        let worker = self.register_worker(info).await?;
        Lease::keep(worker, info.lease, sent, self.heartbeat_connection())
    }

    /// Adds a worker. Its claims hold for `info.lease` from now and from each heartbeat.
    async fn register_worker(&self, info: &WorkerInfo) -> Result<WorkerId>;

    /// Removes a worker and hands back the tasks that it holds, their attempts not counted; returns how many. Those that it was
    /// asked to stop are cancelled then, also if it had handed them back before.
    async fn deregister_worker(&self, worker: WorkerId) -> Result<u64>;

    /// Claims tasks for this worker without waiting. Error `is_claim_lost` if the worker is not known (any more).
    async fn claim(&self, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>>;

    /// Subscribes an idle worker to these queues. What becomes ready after this call wakes it, so the caller claims
    /// once more before it waits.
    async fn subscribe(&self, worker: WorkerId, queues: &[String]) -> Result<Box<dyn Subscription>>;

    /// Subscribes to direct hand-off: a storage may assign a new task of these functions to an idle worker on insert,
    /// which saves the claim. Call it before [`subscribe`](Self::subscribe). By default nothing is handed off.
    fn handoff(&self, worker: WorkerId, funcs: &[String]) -> Box<dyn Handoff> {
        let _ = (worker, funcs);
        Box::new(NoHandoff)
    }
}

/// The subscription of an idle worker. Dropping it ends the subscription.
#[async_trait]
pub trait Subscription: Send {
    /// Waits until tasks may be there, or the timeout is over. It may return although there are none.
    async fn wait(&mut self, timeout: Duration);

    /// How long until the next scheduled task of the queues is due; `None`: there is none. By default that is not known,
    /// and `None`. Only [`run_until_idle_within`](crate::Worker::run_until_idle_within) asks.
    async fn next_due(&mut self) -> Result<Option<Duration>> {
        Ok(None)
    }
}

/// Receives the tasks that are handed off to a worker. Dropping it ends the hand-off.
#[async_trait]
pub trait Handoff: Send {
    /// Waits for tasks that were handed off: this worker holds them as if it had claimed them. Dropping the future
    /// loses nothing.
    async fn next(&mut self) -> Vec<Task>;
}

/// The hand-off of storages that have none.
struct NoHandoff;

#[async_trait]
impl Handoff for NoHandoff {
    async fn next(&mut self) -> Vec<Task> {
        std::future::pending().await
    }
}
