//! Verbs in a transaction of the user: the statement and its record, and the connections that execute it.
//! `docs/decisions/0015-transactional-tasks.md`, `0032-which-connections-are-taken.md`.

mod connection;
pub(crate) mod database_id;
#[cfg(feature = "diesel-async")]
mod diesel;
pub(crate) mod record;
#[cfg(any(feature = "sqlx", feature = "sqlx-0_8"))]
mod sqlx;

use omniq_core::{DatabaseId, Error, Result, TransactionStatement};
use serde::Serialize;

pub use self::connection::UserConnection;
pub(crate) use self::record::{
    Batch, EventRecord, Events, HeldTask, ResultRecord, Results, TaskRecord, Tasks,
};
use crate::sizes::{RAW_BYTES, RECORD_BYTES};
use crate::sql::{Statement, json};

/// The statement with this record, as a connection to this database executes it. `count`: of what, as `3 tasks`, for the message of one
/// that is too large.
pub(crate) fn statement(
    statement: &Statement,
    database: DatabaseId,
    record: &impl Serialize,
    values: Vec<Option<Vec<u8>>>,
    count: impl FnOnce() -> String,
) -> Result<TransactionStatement> {
    #[derive(Serialize)]
    struct Whole<'a, R> {
        database: &'a str,
        server: &'a str,
        #[serde(flatten)]
        record: &'a R,
    }
    let record = json(&Whole { database: &database.database, server: &database.server, record })?;
    let bytes = values.iter().flatten().map(Vec::len).sum::<usize>();
    for (what, bytes, most) in
        [("payloads or values", bytes, RAW_BYTES), ("everything else", record.len(), RECORD_BYTES)]
    {
        if bytes > most {
            return Err(Error::invalid(format!(
                "{what} of {} have {bytes} bytes together: one call on a connection takes at most {most}; make several calls",
                count()
            )));
        }
    }
    Ok(TransactionStatement { sql: statement.text.clone(), record, values, database })
}

/// Executes a statement on the user's connection, and returns its answer. Error `is_invalid` if the connection leads to another database;
/// then nothing was done.
pub(crate) async fn execute(
    connection: &mut dyn UserConnection,
    statement: &TransactionStatement,
) -> Result<Vec<String>> {
    match connection.execute_statement(statement).await? {
        (_, Some(done)) => Ok(done),
        (elsewhere, None) => Err(database_id::another(&elsewhere, &statement.database)),
    }
}
