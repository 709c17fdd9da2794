//! The ends of tasks, which ring those who wait for them.

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::model::TaskId;

/// What has rung.
#[derive(Debug, Default)]
pub struct Rung {
    /// These tasks have ended, or have left the queue.
    pub ended: BTreeSet<TaskId>,
    /// These may have ended: the storage cannot rule it out, such as after it was away.
    pub perhaps: BTreeSet<TaskId>,
}

/// A subscription to the ends of tasks in one storage: a task that ends there, leaves the queue, or gets a result rings.
/// Dropping it ends the subscription.
#[async_trait]
pub trait EndSubscription: Debug + Send {
    /// Adds tasks if that needs no call of the database: their ends ring from now on. False: nothing was added.
    fn add_at_once(&mut self, ids: &[TaskId]) -> bool;

    /// Adds tasks. Once this has returned, their ends ring: what ended before does not, so the caller looks once more. It
    /// may be called again for the same tasks if it was dropped.
    async fn add(&mut self, ids: &[TaskId]);

    /// Removes tasks.
    fn remove(&mut self, ids: &[TaskId]);

    /// Waits until something has rung since the last call. Dropping the future loses nothing.
    async fn rung(&mut self) -> Rung;

    /// Whether ends ring at present. Otherwise the caller looks at short intervals.
    fn rings(&self) -> bool;
}
