//! The heartbeat of a worker.

use async_trait::async_trait;

use crate::Result;
use crate::model::{Heartbeat, WorkerId};

/// Extends a worker's lease.
#[async_trait]
pub trait HeartbeatConnection: Send {
    /// Extends the lease, and returns the ids of tasks to stop. `used`: how many of the worker's slots are used, which
    /// [`TaskQueue::workers`](super::TaskQueue::workers) shows.
    async fn heartbeat(&mut self, worker: WorkerId, used: Option<u32>) -> Result<Heartbeat>;
}
