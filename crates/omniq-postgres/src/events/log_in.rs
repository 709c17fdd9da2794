//! Adds events in a transaction of the user.

use omniq_core::{EventStorage, Result, TaskEvent};

use super::AsyncPostgresEventStorage;
use crate::transaction::{UserConnection, execute};

impl AsyncPostgresEventStorage {
    /// Adds an event in the user's own transaction: a commit makes it visible, a rollback leaves nothing.
    ///
    /// Errors: as for [`log`](EventStorage::log), but a lock of another session is waited for as long as the transaction says;
    /// `is_invalid` for a connection to another database, before anything is written.
    pub async fn log_in(&self, connection: &mut dyn UserConnection, event: TaskEvent) -> Result<()> {
        self.log_many_in(connection, vec![event]).await
    }

    /// Adds events in the user's own transaction, all or none; they keep their order. As [`log_in`](Self::log_in).
    pub async fn log_many_in(
        &self,
        connection: &mut dyn UserConnection,
        events: Vec<TaskEvent>,
    ) -> Result<()> {
        execute(connection, &self.log_statement(events).await?).await.map(drop)
    }
}
