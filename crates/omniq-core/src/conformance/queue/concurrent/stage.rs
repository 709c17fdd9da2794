//! What concurrent histories run on.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::Completion;
use crate::{Error, TaskQueue};

/// The largest number of connections.
pub const LANES: usize = 5;

/// What histories run on: objects of one storage, each as another process would have it.
#[derive(Debug, Clone)]
pub struct Stage {
    /// [`LANES`] objects on the same tasks.
    pub objects: Vec<Arc<dyn TaskQueue>>,
    /// Whether they keep completed tasks.
    pub keeps: bool,
    /// Completes a task in a transaction of the user, if the storage supports that.
    pub completer: Option<Arc<dyn Completer>>,
    /// The prefix of queue names, so that several stages can share a storage.
    pub name: String,
}

/// Completes tasks in transactions of its own, as a user does.
#[async_trait]
pub trait Completer: Debug + Send + Sync {
    /// Executes the completion and commits, or rolls back. Error `is_claim_lost` if the claim does not hold any more.
    async fn complete(&self, completion: &Completion, commit: bool) -> Result<(), Error>;
}
