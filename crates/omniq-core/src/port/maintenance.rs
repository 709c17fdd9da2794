//! What every worker calls on a task queue at intervals, so that tasks of lost workers and expired tasks go on.

use std::fmt::Debug;

use async_trait::async_trait;
use omniq_macros::layered;

use crate::Result;
use crate::model::*;

/// The maintenance of a queue.
#[layered(MaintenanceLayer, MaintenanceVerbs)]
#[async_trait]
pub trait QueueMaintenance: Debug + Send + Sync + 'static {
    /// Tasks held by workers whose lease has ended, about `limit`, because the tasks of a segment come together. These
    /// workers are marked as lost and cannot come back. The caller settles each task by its claim.
    ///
    /// After them come tasks that such workers were asked to stop and had handed back before they were told: these have no
    /// claim, and the caller cancels them.
    async fn lost(&self, limit: u32) -> Result<Vec<Lost>>;

    /// Waiting tasks whose time to live has ended, about `limit` as above. The caller settles them with
    /// [`Outcome::Expire`].
    async fn expired(&self, limit: u32) -> Result<Vec<Task>>;

    /// Whether this object has seen that there are some for [`broken`](Self::broken), so that they need not wait for the maintenance. Default: false.
    fn has_broken(&self) -> bool {
        false
    }

    /// Blocked tasks that have to end, because one that they run after has ended otherwise, about `limit`. The caller settles them without a claim:
    /// with [`Outcome::Fail`] after a dead letter, else with [`Outcome::Cancel`]. Default: none.
    async fn broken(&self, limit: u32) -> Result<Vec<Broken>> {
        let _ = limit;
        Ok(Vec::new())
    }

    /// The upkeep that a storage needs, in short transactions; every worker calls it at intervals.
    async fn maintain(&self) -> Result<()> {
        Ok(())
    }
}
