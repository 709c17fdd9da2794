//! Single enqueues that arrive while a statement is in flight are sent together in the next one.

use std::sync::Arc;

use omniq_core::group_commit::{CallWriter, Calls};
use omniq_core::{Error, NewTask, Result, TaskId};

use super::enqueue::{Enqueued, send};
use crate::db::Db;
use crate::segments::enqueue::EnqueueBatch;
use crate::single_calls::RULE;

/// Sends single enqueues.
#[derive(Debug)]
pub(super) struct SingleEnqueues {
    db: Arc<Db>,
    /// Whether tasks are added with their `enqueued` events.
    logged: bool,
}

impl SingleEnqueues {
    pub(super) fn calls(db: &Arc<Db>, logged: bool) -> Calls<Self> {
        Calls::new(Self { db: Arc::clone(db), logged }, RULE)
    }
}

impl CallWriter for SingleEnqueues {
    type Request = NewTask;
    type Answer = TaskId;

    const NAME: &'static str = "enqueue";

    fn bytes(&self, task: &NewTask) -> usize {
        task.payload.bytes().len()
    }

    async fn send(&self, tasks: &[NewTask]) -> Result<Vec<TaskId>> {
        let batch = EnqueueBatch::of_checked(tasks)?;
        let events = self.logged.then(|| Enqueued::of(tasks, &batch));
        send(&self.db, &batch, events).await?;
        Ok(batch.ids)
    }

    fn may_be_of_one(&self, error: &Error) -> bool {
        // A call that may have been carried out is not repeated: its tasks could be added twice.
        !(error.is_unavailable() || error.is_pool_timeout() || error.is_closed())
    }
}
