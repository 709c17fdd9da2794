//! What has become of tasks that were enqueued with others that are unique.

use std::collections::HashMap;

use omniq_core::{Enqueued, Error, NewTask, Result, TaskId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::db::Db;
use crate::sql::Columns;

/// The most keys that one step of the clean-up looks at, so that its transaction is short.
const STEP: i32 = 500;
/// The most steps in a row.
const STEPS: usize = 10;

/// Reads the answers of `enqueue_unique.sql`.
pub(super) fn read(answers: &[Vec<Row>]) -> Result<Vec<Enqueued>> {
    let read = |row: &Row| {
        let mut columns = Columns::new(row);
        let (id, name): (Uuid, &str) = (columns.take()?, columns.take()?);
        Enqueued::of(name, TaskId::from(id))
            .ok_or_else(|| Error::internal(format!("an enqueue is answered with {name:?}, which is unknown")))
    };
    answers.iter().flatten().map(read).collect()
}

/// Finds what has become of an enqueue that was carried out, and whose answer was lost. Whether a task that holds the key was changed cannot be
/// told then: it counts as skipped.
pub(super) async fn look(db: &Db, tasks: &[NewTask], ids: &[TaskId]) -> Result<Vec<Enqueued>> {
    let keys: Vec<Option<String>> = tasks.iter().map(NewTask::unique_key).collect::<Result<_>>()?;
    let known: Vec<&String> = keys.iter().flatten().collect();
    // A role that may enqueue need not be allowed to read.
    let unread = |error: Error| {
        Error::unavailable(format!(
            "the tasks were added, or others hold their keys, and which cannot be read: {error}"
        ))
        .with_source(error)
    };
    let rows = db.query(&db.sql.key_holders, &[("keys", &known)]).await.map_err(unread)?;
    let mut holders: HashMap<String, TaskId> = HashMap::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::new(row);
        holders.insert(columns.take()?, TaskId::from(columns.take::<Uuid>()?));
    }
    let holder = |key: &Option<String>| key.as_ref().and_then(|key| holders.get(key)).copied();
    let enqueued = ids.iter().zip(&keys).map(|(id, key)| match holder(key) {
        Some(holder) if holder != *id => Enqueued::Skipped(holder),
        _ => Enqueued::New(*id),
    });
    Ok(enqueued.collect())
}

/// Deletes keys that nothing holds.
pub(super) async fn clean_up(db: &Db) -> Result<()> {
    for _ in 0..STEPS {
        let rows = db.bounded(&db.sql.clean_keys, &[("limit", &STEP)]).await?;
        let looked = rows.first().map(|row| Columns::new(row).take::<i32>()).transpose()?;
        if looked.is_none_or(|looked| looked < STEP) {
            break;
        }
    }
    Ok(())
}
