//! The connections of the user in whose transactions statements are executed.

use async_trait::async_trait;
use omniq_core::{Error, Result, TransactionStatement};
use tokio_postgres::types::Type;

use super::database_id;
use crate::sql::Columns;

/// The user's connection or open transaction, for the verbs that end in `_in`. It must lead to the database of the queue or storage: another
/// one is refused (`is_invalid`), and nothing is written.
///
/// Implemented for `Client` and `Transaction` of tokio-postgres 0.7, and deadpool-postgres 0.14's wrappers of both; with the feature `sqlx` for
/// `Transaction<'_, Postgres>`, `PgConnection` and `PoolConnection<Postgres>` of sqlx 0.9, with `sqlx-0_8` for those of sqlx 0.8; and with
/// `diesel-async` for `AsyncPgConnection` of diesel-async 0.9. Pass `&mut transaction` or `&mut connection`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no connection or transaction that OmniQ takes",
    note = "taken are `Client` and `Transaction` of tokio-postgres 0.7 and deadpool-postgres 0.14; with the feature `sqlx` those of sqlx 0.9, with `sqlx-0_8` those of sqlx 0.8, with `diesel-async` `AsyncPgConnection` of diesel-async 0.9",
    note = "if it is one of these, the feature is off, or the program uses another version of that crate than OmniQ: `cargo tree -d` shows both",
    note = "of a pool, take a connection or begin a transaction, and pass `&mut` of that"
)]
#[async_trait]
pub trait UserConnection: Send {
    /// Executes the statement on this connection. Returns the name of the database that it leads to, and the statement's answer; `None` if
    /// it is another database, and nothing was done.
    async fn execute_statement(
        &mut self,
        statement: &TransactionStatement,
    ) -> Result<(String, Option<Vec<String>>)>;
}

/// Sent unprepared: one round trip, and no prepared statement stays on the user's connection.
macro_rules! driver {
    ($connection:ty) => {
        #[async_trait]
        impl UserConnection for $connection {
            async fn execute_statement(
                &mut self,
                statement: &TransactionStatement,
            ) -> Result<(String, Option<Vec<String>>)> {
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
