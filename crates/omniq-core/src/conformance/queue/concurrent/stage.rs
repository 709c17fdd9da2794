//! What concurrent histories run on.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::TransactionStatement;
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
    /// Connections of a user, if a transaction reaches the storage.
    pub user: Option<Arc<dyn User>>,
    /// The prefix of queue names, so that several stages can share a storage.
    pub name: String,
}

/// Settles tasks in transactions of its own.
#[async_trait]
pub trait User: Debug + Send + Sync {
    /// Executes the statement and commits, or rolls back. Returns its answer: whether each task was held. Error
    /// `is_claim_lost` if one is not, and the statement is for all or none.
    async fn execute(&self, statement: &TransactionStatement, commit: bool) -> Result<Vec<bool>, Error>;
}
