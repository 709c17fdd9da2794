//! Connections of diesel-async.

use async_trait::async_trait;
use diesel::sql_types::{Array, Binary, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use omniq_core::{Result, TransactionStatement};

use super::{UserConnection, database_id};

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    database: String,
    #[diesel(sql_type = Nullable<Array<Text>>)]
    done: Option<Vec<String>>,
}

#[async_trait]
impl UserConnection for AsyncPgConnection {
    async fn execute_statement(
        &mut self,
        statement: &TransactionStatement,
    ) -> Result<(String, Option<Vec<String>>)> {
        let TransactionStatement { sql, record, values, database } = statement;
        let query = sql_query(sql).bind::<Text, _>(record).bind::<Array<Nullable<Binary>>, _>(values);
        let answer: std::result::Result<Row, _> = query.get_result(self).await;
        answer
            .map(|row| (row.database, row.done))
            .map_err(|error| database_id::without_tables(crate::error::from_diesel(error), database, false))
    }
}
