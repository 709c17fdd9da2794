//! The connections of the user in whose transactions statements are executed.

use async_trait::async_trait;
use omniq_core::{Error, Result, TransactionStatement};
use tokio_postgres::types::Type;

use super::database_id;
use crate::sql::Columns;

/// The user's connection or open transaction, for the verbs that end in `_in`. It must lead to the database of the queue or storage: another
/// one is refused (`is_invalid`), and nothing is written.
///
/// Implemented for `tokio_postgres::{Client, Transaction}`, deadpool's wrappers of both, with the feature `sqlx` for `sqlx::PgConnection`
/// (pass `&mut *transaction`), and with the feature `diesel-async` for `diesel_async::AsyncPgConnection`.
#[async_trait]
pub trait UserConnection: Send {
    /// Executes the statement on this connection. Returns the name of the database that it leads to, and the statement's answer; `None` if
    /// it is another database, and nothing was done.
    async fn execute_statement(
        &mut self,
        statement: &TransactionStatement,
    ) -> Result<(String, Option<Vec<bool>>)>;
}

/// Sent unprepared: one round trip, and no prepared statement stays on the user's connection.
macro_rules! driver {
    ($connection:ty) => {
        #[async_trait]
        impl UserConnection for $connection {
            async fn execute_statement(
                &mut self,
                statement: &TransactionStatement,
            ) -> Result<(String, Option<Vec<bool>>)> {
                let TransactionStatement { sql, record, values, database } = statement;
                let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                    [(record, Type::TEXT), (values, Type::BYTEA_ARRAY)];
                let rows = self.query_typed(sql, &params).await;
                let rows = rows.map_err(|error| {
                    let in_function = error.as_db_error().is_some_and(|db| db.where_().is_some());
                    database_id::without_tables(crate::error::from_driver(error), database, in_function)
                })?;
                let row = rows
                    .first()
                    .ok_or_else(|| Error::internal("the database gave no row where one was due"))?;
                let mut columns = Columns::new(row);
                Ok((columns.take()?, columns.take()?))
            }
        }
    };
}

driver!(tokio_postgres::Client);
driver!(tokio_postgres::Transaction<'_>);
driver!(deadpool_postgres::Object);
driver!(deadpool_postgres::Transaction<'_>);
