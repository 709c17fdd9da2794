//! Connections of sqlx, 0.9 and 0.8.

use async_trait::async_trait;
use omniq_core::{Result, TransactionStatement};

use super::{UserConnection, database_id};

macro_rules! sqlx_connections {
    ($sqlx:ident, $of_text:path, $error:path) => {
        #[async_trait]
        impl UserConnection for $sqlx::PgConnection {
            async fn execute_statement(
                &mut self,
                statement: &TransactionStatement,
            ) -> Result<(String, Option<Vec<String>>)> {
                let TransactionStatement { sql, record, values, database } = statement;
                let query =
                    $sqlx::query_as($of_text(sql.as_str())).bind(record).bind(values).persistent(false);
                let answer = query.fetch_one(self).await;
                answer.map_err(|error| {
                    let report = error
                        .as_database_error()
                        .and_then(|db| db.try_downcast_ref::<$sqlx::postgres::PgDatabaseError>());
                    let in_function = report.is_some_and(|report| report.r#where().is_some());
                    database_id::without_tables($error(error), database, in_function)
                })
            }
        }

        #[async_trait]
        impl UserConnection for $sqlx::Transaction<'_, $sqlx::Postgres> {
            async fn execute_statement(
                &mut self,
                statement: &TransactionStatement,
            ) -> Result<(String, Option<Vec<String>>)> {
                (**self).execute_statement(statement).await
            }
        }

        #[async_trait]
        impl UserConnection for $sqlx::pool::PoolConnection<$sqlx::Postgres> {
            async fn execute_statement(
                &mut self,
                statement: &TransactionStatement,
            ) -> Result<(String, Option<Vec<String>>)> {
                (**self).execute_statement(statement).await
            }
        }
    };
}

// The text is a constant of this crate, filled with a quoted schema name.
#[cfg(feature = "sqlx")]
sqlx_connections!(sqlx, sqlx::AssertSqlSafe, crate::error::from_sqlx);
#[cfg(feature = "sqlx-0_8")]
sqlx_connections!(sqlx_0_8, std::convert::identity, crate::error::from_sqlx_0_8);
