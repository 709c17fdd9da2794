//! The statement that adds events in a transaction of the user.

use omniq_core::{Result, TaskEvent, TransactionStatement};

use crate::db::Db;
use crate::transaction::{self, EventRecord, Events, database_id};

/// The statement for events.
pub(super) async fn statement(db: &Db, events: &[TaskEvent]) -> Result<TransactionStatement> {
    for event in events {
        event.check()?;
    }
    db.check_open()?;
    if !events.is_empty() {
        db.make_events_partition_ahead().await?;
    }
    let database = database_id::ask(db).await?;
    let record = Events { events: events.iter().map(EventRecord::new).collect::<Result<_>>()? };
    let count = || format!("{} events", events.len());
    transaction::statement(&db.sql.log_raw, database, &record, Vec::new(), count)
}
