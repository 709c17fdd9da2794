//! Enqueues in a transaction of the user.

use omniq_core::{Error, NewTask, Result, TaskId};

use super::AsyncPostgresQueue;
use crate::transaction::{UserConnection, database_id};

impl AsyncPostgresQueue {
    /// Adds a task in the user's own transaction: a commit makes it visible, with its `enqueued` event where the schema has events; a
    /// rollback leaves nothing.
    ///
    /// Errors as for [`enqueue`](omniq_core::TaskQueue::enqueue); `is_invalid` for a connection to another database. Bad input is refused
    /// before anything is sent, so the transaction stays usable; a duplicate id aborts it as any failed statement does.
    pub async fn enqueue_in(&self, connection: &mut dyn UserConnection, task: NewTask) -> Result<TaskId> {
        let mut ids = self.enqueue_many_in(connection, vec![task]).await?;
        ids.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no id"))
    }

    /// Adds tasks in the user's own transaction, all or none; at most 400,000,000 bytes of payloads.
    pub async fn enqueue_many_in(
        &self,
        connection: &mut dyn UserConnection,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<TaskId>> {
        let enqueuer = &self.inner.enqueuer;
        let mut stale = None;
        loop {
            let (statement, ids) = enqueuer.statement(&tasks, stale.as_ref()).await?;
            let database = &statement.database;
            match connection.execute_statement(&statement).await? {
                (_, Some(_)) => return Ok(ids),
                // What was remembered may be from before a restart of the server.
                (_, None) if stale.is_none() => stale = Some(statement.database),
                (elsewhere, None) => return Err(database_id::another(&elsewhere, database)),
            }
        }
    }
}
