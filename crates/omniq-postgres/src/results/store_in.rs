//! Stores results in a transaction of the user.

use omniq_core::{Result, ResultStorage, TaskResult};

use super::AsyncPostgresResultStorage;
use crate::transaction::{UserConnection, execute};

impl AsyncPostgresResultStorage {
    /// Stores a result in the user's own transaction, in place of an earlier one of the same task. A commit makes it visible, a rollback
    /// leaves the earlier one.
    ///
    /// Errors: as for [`store`](ResultStorage::store); `is_invalid` for a connection to another database. Both are refused before anything
    /// is written.
    pub async fn store_in(&self, connection: &mut dyn UserConnection, result: TaskResult) -> Result<()> {
        self.store_many_in(connection, vec![result]).await
    }

    /// Stores results in the user's own transaction, all or none. Of two for the same task in one call the later one is kept; of two that
    /// two sessions store at the same time, the one that finished later is read.
    pub async fn store_many_in(
        &self,
        connection: &mut dyn UserConnection,
        results: Vec<TaskResult>,
    ) -> Result<()> {
        execute(connection, &self.store_statement(results).await?).await.map(drop)
    }
}
