//! The connections of the user in whose transactions tasks are enqueued and completed.

use async_trait::async_trait;
use omniq_core::{Completion, DatabaseId, Error, Result};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::database_id;
use crate::segments::enqueue::Rows;
use crate::sql::{Columns, Param, Statement};

/// An enqueue that is ready to be sent; made by the queue, carried out by an [`EnqueueTarget`].
#[derive(Debug)]
pub struct EnqueueCall<'a> {
    pub(super) statement: &'a Statement,
    pub(super) rows: &'a Rows,
    pub(super) database: &'a DatabaseId,
}

/// The user's connection or open transaction, in which a task can be enqueued or completed. It must lead to the queue's database:
/// another one is refused (`is_invalid`), and nothing is written.
///
/// Implemented for `tokio_postgres::{Client, Transaction}`, deadpool's wrappers of both, and with the feature `sqlx` for
/// `sqlx::PgConnection` (pass `&mut *transaction`).
#[async_trait]
pub trait EnqueueTarget: Send {
    /// Enqueues on this connection. If it leads to another database, the answer is that database's name, and nothing was done.
    #[doc(hidden)]
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>>;

    /// Completes a task on this connection, with the same answer.
    #[doc(hidden)]
    async fn complete(&mut self, completion: &Completion) -> Result<Option<String>>;
}

/// The database that the connection leads to, if it is another than the queue's.
fn answer_of(rows: Result<Vec<Row>>, database: &DatabaseId) -> Result<Option<String>> {
    let rows = rows.map_err(|error| database_id::without_tables(error, database))?;
    let row = rows.first().ok_or_else(|| Error::internal("the database gave no row where one was due"))?;
    let mut columns = Columns::new(row);
    let name: String = columns.take()?;
    Ok(columns.take::<Option<i32>>()?.is_none().then_some(name))
}

/// Sent unprepared: one round trip, and no prepared statement stays on the user's connection.
macro_rules! driver_target {
    ($target:ty) => {
        #[async_trait]
        impl EnqueueTarget for $target {
            async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>> {
                let EnqueueCall { statement, rows, database } = call;
                let payloads = rows.payloads();
                let mut params = rows.params(&payloads);
                params.extend([("database", &database.database as Param<'_>), ("server", &database.server)]);
                let typed: Vec<_> = statement.values(&params).zip(statement.types.iter().cloned()).collect();
                let answer = self.query_typed(&statement.text, &typed).await;
                answer_of(answer.map_err(crate::error::from_driver), database)
            }

            async fn complete(&mut self, completion: &Completion) -> Result<Option<String>> {
                let Completion { sql, run, value, database } = completion;
                let answer = self.query_typed(sql, &[(run, Type::TEXT), (value, Type::BYTEA)]).await;
                answer_of(answer.map_err(crate::error::from_driver), database)
            }
        }
    };
}

driver_target!(tokio_postgres::Client);
driver_target!(tokio_postgres::Transaction<'_>);
driver_target!(deadpool_postgres::Object);
driver_target!(deadpool_postgres::Transaction<'_>);

#[cfg(feature = "sqlx")]
fn answer_of_sqlx(
    answer: Result<(String, Option<i32>), sqlx::Error>,
    database: &DatabaseId,
) -> Result<Option<String>> {
    let (name, done) =
        answer.map_err(|error| database_id::without_tables(crate::error::from_sqlx(error), database))?;
    Ok(done.is_none().then_some(name))
}

#[cfg(feature = "sqlx")]
#[async_trait]
impl EnqueueTarget for sqlx::PgConnection {
    async fn carry_out(&mut self, call: EnqueueCall<'_>) -> Result<Option<String>> {
        let EnqueueCall { statement, rows: batch, database } = call;
        // The text is a constant of this crate, filled with a quoted schema name.
        let query = sqlx::query_as::<_, (String, Option<i32>)>(sqlx::AssertSqlSafe(statement.text.as_str()))
            .bind(&batch.ids)
            .bind(&batch.queues)
            .bind(&batch.funcs)
            .bind(&batch.codecs)
            .bind(batch.payloads())
            .bind(&batch.priorities)
            .bind(&batch.max_retries)
            .bind(&batch.run_ats)
            .bind(&batch.delays)
            .bind(&batch.ttls)
            .bind(&batch.options)
            .bind(&batch.metadata)
            .bind(&batch.chosen)
            .bind(&database.database)
            .bind(&database.server)
            .persistent(false);
        answer_of_sqlx(query.fetch_one(self).await, database)
    }

    async fn complete(&mut self, completion: &Completion) -> Result<Option<String>> {
        let query = sqlx::query_as::<_, (String, Option<i32>)>(sqlx::AssertSqlSafe(completion.sql.as_str()))
            .bind(&completion.run)
            .bind(&completion.value)
            .persistent(false);
        answer_of_sqlx(query.fetch_one(self).await, &completion.database)
    }
}
