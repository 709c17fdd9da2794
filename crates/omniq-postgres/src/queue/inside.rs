//! Enqueues inside the user's own transaction.

use omniq_core::{Error, NewTask, Result, TaskId};

use super::AsyncPostgresQueue;
use super::target::EnqueueTarget;

impl AsyncPostgresQueue {
    /// Adds a task in the user's own transaction: a commit makes it visible, with its `enqueued` event where the schema has events; a
    /// rollback leaves nothing.
    ///
    /// Errors as for [`enqueue`](omniq_core::TaskQueue::enqueue). Bad input is refused before anything is sent, so the transaction
    /// stays usable; a duplicate id aborts it as any failed statement does.
    pub async fn enqueue_in(&self, target: &mut dyn EnqueueTarget, task: NewTask) -> Result<TaskId> {
        let mut ids = self.enqueue_many_in(target, vec![task]).await?;
        ids.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no id"))
    }

    /// Adds tasks in the user's own transaction, all or none.
    pub async fn enqueue_many_in(
        &self,
        target: &mut dyn EnqueueTarget,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<TaskId>> {
        self.inner.enqueuer.many_on(target, tasks).await
    }
}
