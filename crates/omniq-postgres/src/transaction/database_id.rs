//! Which database the schema is in, so that a connection to another one is refused.

use std::sync::Mutex;

use omniq_core::{DatabaseId, Error, Result};

use crate::db::Db;
use crate::error::NO_COLUMN;
use crate::sql::Columns;
use omniq_core::sync::locked;

/// Remembers the identity of the database. It changes when the server restarts.
#[derive(Debug, Default)]
pub(crate) struct DatabaseIds(Mutex<Option<DatabaseId>>);

impl DatabaseIds {
    /// The identity, asked for at the first call, and again if `stale` is what is remembered.
    pub(crate) async fn get(&self, db: &Db, stale: Option<&DatabaseId>) -> Result<DatabaseId> {
        db.check_open()?;
        let known = locked(&self.0).clone();
        match known {
            Some(known) if stale != Some(&known) => Ok(known),
            _ => {
                let id = ask(db).await?;
                *locked(&self.0) = Some(id.clone());
                Ok(id)
            }
        }
    }
}

/// The identity at this moment.
pub(crate) async fn ask(db: &Db) -> Result<DatabaseId> {
    let row = db.one(&db.sql.database_id, &[]).await?;
    let mut columns = Columns::new(&row);
    Ok(DatabaseId { database: columns.take()?, server: columns.take()?, schema: db.schema.name().to_owned() })
}

/// The refusal of a connection that leads to another database.
pub(crate) fn another(database: &str, right: &DatabaseId) -> Error {
    let DatabaseId { database: ours, schema, .. } = right;
    Error::invalid(format!(
        "the connection leads to database {database:?}, and OmniQ's schema {schema:?} is in database {ours:?}{}: give a \
         connection to that database; nothing was written",
        if database == ours { " of another server" } else { "" }
    ))
}

/// The same where the database lacks the schema or its functions. As any failed statement, this one has aborted the transaction. What a
/// function of the schema lacks (`in_function`) is no sign of another database.
pub(super) fn without_tables(error: Error, right: &DatabaseId, in_function: bool) -> Error {
    // What lacks a column is there.
    if in_function || !error.is_schema_missing() || error.sqlstate() == Some(NO_COLUMN) {
        return error;
    }
    let DatabaseId { database, schema, .. } = right;
    let message = format!(
        "the connection leads to a database without OmniQ's schema {schema:?}, which is in database {database:?}: give a \
         connection to that database; nothing was written"
    );
    Error::invalid(message).with_source(error)
}
