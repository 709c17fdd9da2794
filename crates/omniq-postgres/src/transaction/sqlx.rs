//! Connections of sqlx.

use async_trait::async_trait;
use omniq_core::{Result, TransactionStatement};
use sqlx::postgres::PgDatabaseError;

use super::{UserConnection, database_id};

#[async_trait]
impl UserConnection for sqlx::PgConnection {
    async fn execute_statement(
        &mut self,
        statement: &TransactionStatement,
    ) -> Result<(String, Option<Vec<bool>>)> {
        let TransactionStatement { sql, record, values, database } = statement;
        // The text is a constant of this crate, filled with a quoted schema name.
        let query =
            sqlx::query_as(sqlx::AssertSqlSafe(sql.as_str())).bind(record).bind(values).persistent(false);
        let answer = query.fetch_one(self).await;
        answer.map_err(|error| {
            let report = error.as_database_error().and_then(|db| db.try_downcast_ref::<PgDatabaseError>());
            let in_function = report.is_some_and(|report| report.r#where().is_some());
            database_id::without_tables(crate::error::from_sqlx(error), database, in_function)
        })
    }
}
