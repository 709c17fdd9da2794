//! Enqueues in a transaction of the user.

use omniq_core::{Enqueued, Error, NewTask, Result, TaskId, TransactionStatement};

use super::AsyncPostgresQueue;
use crate::transaction::{UserConnection, database_id};

impl AsyncPostgresQueue {
    /// Adds a task in the user's own transaction: a commit makes it visible, with its `enqueued` event where the schema has events; a
    /// rollback leaves nothing.
    ///
    /// Errors as for [`enqueue`](omniq_core::TaskQueue::enqueue); `is_invalid` for a connection to another database. Bad input is refused
    /// before anything is sent, so the transaction stays usable; a duplicate id aborts it as any failed statement does.
    pub async fn enqueue_in(&self, connection: &mut dyn UserConnection, task: NewTask) -> Result<TaskId> {
        Ok(self.enqueue_unique_in(connection, task).await?.id())
    }

    /// Adds a task in the user's own transaction, and says whether it was added or another one holds its key; see
    /// [`enqueue_unique`](omniq_core::TaskQueue::enqueue_unique). Until the end of the transaction no other one takes or changes the key, and a
    /// task that waits and holds it does not start. A transaction that enqueues keys in several calls, in another order than another one does,
    /// can deadlock with it: the server ends one of both. Put them into one call, or keep an order.
    pub async fn enqueue_unique_in(
        &self,
        connection: &mut dyn UserConnection,
        task: NewTask,
    ) -> Result<Enqueued> {
        let mut enqueued = self.enqueue_unique_many_in(connection, vec![task]).await?;
        enqueued.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no answer"))
    }

    /// Adds tasks in the user's own transaction, all or none; at most 400,000,000 bytes of payloads.
    pub async fn enqueue_many_in(
        &self,
        connection: &mut dyn UserConnection,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<TaskId>> {
        let enqueued = self.enqueue_unique_many_in(connection, tasks).await?;
        Ok(enqueued.into_iter().map(Enqueued::id).collect())
    }

    /// The same, and says what has become of each; see [`enqueue_unique_in`](Self::enqueue_unique_in).
    pub async fn enqueue_unique_many_in(
        &self,
        connection: &mut dyn UserConnection,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<Enqueued>> {
        let enqueuer = &self.inner.enqueuer;
        let mut stale = None;
        loop {
            let (statement, ids) = enqueuer.statement(&tasks, stale.as_ref()).await?;
            let database = &statement.database;
            match connection.execute_statement(&statement).await? {
                (_, Some(answer)) => return TransactionStatement::enqueued(&ids, &answer),
                // What was remembered may be from before a restart of the server.
                (_, None) if stale.is_none() => stale = Some(statement.database),
                (elsewhere, None) => return Err(database_id::another(&elsewhere, database)),
            }
        }
    }
}
