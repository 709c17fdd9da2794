//! Where the queue is, so that a connection of the user's own that leads elsewhere is refused: by database and server.

use std::sync::{Mutex, PoisonError};

use omniq_core::{Error, Place, Result};

use crate::db::Db;
use crate::rows::Columns;

/// The place, once it is known. It is another one when the server was started anew.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Option<Place>>);

impl Places {
    /// The place, which is asked for at the first call and where `stale` is what is remembered.
    pub(super) async fn get(&self, db: &Db, stale: Option<&Place>) -> Result<Place> {
        db.check_open()?;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) if stale != Some(&known) => Ok(known),
            _ => {
                let place = ask(db).await?;
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
                Ok(place)
            }
        }
    }
}

/// Where the queue is at this moment.
pub(super) async fn ask(db: &Db) -> Result<Place> {
    let row = db.one(&db.sql.place, &[]).await?;
    let mut columns = Columns::new(&row);
    Ok(Place {
        database: columns.take()?,
        server: columns.take()?,
        schema: db.schema.name().to_owned(),
        limits: db.settings().limits(),
    })
}

/// The refusal of a connection that leads to another database than the queue's.
pub(crate) fn another(database: &str, queue: &Place) -> Error {
    let Place { database: ours, schema, .. } = queue;
    Error::invalid(format!(
        "the connection leads to database {database:?}, and the queue (schema {schema:?}) is in database {ours:?}{}: give a \
         connection to the queue's own database; nothing was written",
        if database == ours { " of another server" } else { "" }
    ))
}

/// The same where the database has no such schema or functions at all, as the queue's own has them. As any statement that fails,
/// this one has ended the transaction.
pub(super) fn without_tables(error: Error, queue: &Place) -> Error {
    if !error.is_schema_missing() {
        return error;
    }
    let Place { database, schema, .. } = queue;
    let message = format!(
        "the connection leads to a database without OmniQ's schema {schema:?}, and the queue is in database {database:?}: give a \
         connection to the queue's own database; nothing was written"
    );
    Error::invalid(message).with_source(error)
}
