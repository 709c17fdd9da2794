//! Dependencies: acts on the notes of ends, so that tasks that waited for others go on. `docs/decisions/0055-dependencies.md`.

use std::sync::atomic::{AtomicBool, Ordering};

use omniq_core::{Broken, Error, Result, TaskId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::db::Db;
use crate::segments::decode;
use crate::sql::Columns;

/// The most notes of one transaction, so that it is short.
const NOTES: i32 = 500;
/// The most nodes that one step of the clean-up looks at.
const STEP: i32 = 500;
/// The most steps in a row.
const STEPS: usize = 10;

/// What a queue object knows of notes.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    has_broken: AtomicBool,
}

impl Dependencies {
    /// Whether blocked tasks have to end, as far as it was seen since the last call.
    pub(super) fn has_broken(&self) -> bool {
        self.has_broken.swap(false, Ordering::AcqRel)
    }

    /// Acts on notes that a call has made. What made them is committed, so an error is only logged: the maintenance of any worker does it then.
    pub(super) async fn advance(&self, db: &Db) {
        if let Err(error) = self.until_none(db).await {
            tracing::debug!(%error, "what tasks wait for is counted later");
        }
    }

    /// The same after a verb that may have made notes.
    pub(super) async fn advance_perhaps(&self, db: &Db) {
        match next_note(db, 0).await {
            Ok(Some(_)) => self.advance(db).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "what tasks wait for is counted later"),
        }
    }

    /// Until there are no notes, or another session acts on them, which looks again after it has.
    async fn until_none(&self, db: &Db) -> Result<()> {
        while self.act(db, None).await? {}
        Ok(())
    }

    /// Acts on some notes, or on this one. Whether there may be more.
    async fn act(&self, db: &Db, alone: Option<i64>) -> Result<bool> {
        let row = db.one(&db.sql.advance, &[("limit", &NOTES), ("alone", &alone)]).await?;
        let mut columns = Columns::new(&row);
        let again = columns.take()?;
        if columns.take()? {
            self.has_broken.store(true, Ordering::Release);
        }
        Ok(again)
    }

    /// One note at a time, so that one that cannot be acted on holds up no other; such a note is split into its tasks, for the next time.
    async fn one_by_one(&self, db: &Db) -> Result<()> {
        let (mut last, mut failed) = (0, None);
        while let Some(note) = next_note(db, last).await? {
            match self.act(db, Some(note)).await {
                Ok(_) => {}
                Err(error) if is_away(&error) => return Err(error),
                Err(error) => {
                    db.query(&db.sql.split_note, &[("note", &note)]).await?;
                    failed = Some(error);
                }
            }
            last = note;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Deletes what no task can ask for any more, and acts on all notes.
    pub(super) async fn maintain(&self, db: &Db) -> Result<()> {
        for _ in 0..STEPS {
            let rows = db.bounded(&db.sql.clean_dependencies, &[("limit", &STEP)]).await?;
            let looked = rows.first().map(|row| Columns::new(row).take::<i32>()).transpose()?;
            if looked.is_none_or(|looked| looked < STEP) {
                break;
            }
        }
        // Afterwards, because a session that has noted something meanwhile has left it to this one.
        if next_note(db, 0).await?.is_none() {
            return Ok(());
        }
        match self.until_none(db).await {
            Err(error) if !is_away(&error) => self.one_by_one(db).await,
            done => done,
        }
    }
}

/// Whether the server is away, so that nothing else would be done either. A lock or a limit of time is of one note alone.
fn is_away(error: &Error) -> bool {
    error.is_unavailable() || error.is_pool_timeout() || error.is_closed()
}

async fn next_note(db: &Db, last: i64) -> Result<Option<i64>> {
    db.query(&db.sql.next_note, &[("last", &last)])
        .await?
        .first()
        .map(|row| Columns::new(row).take())
        .transpose()
}

/// The blocked tasks that have to end.
pub(super) async fn broken(db: &Db, limit: u32) -> Result<Vec<Broken>> {
    let rows = db.bounded(&db.sql.broken, &[("limit", &i64::from(limit))]).await?;
    let read = |row: &Row| {
        let mut columns = Columns::new(row);
        let task = decode::segment(&mut columns)?.pop();
        let (by, is_dead): (Uuid, bool) = (columns.take()?, columns.take()?);
        Ok(task.map(|task| Broken::new(task, TaskId::from(by), is_dead)))
    };
    rows.iter().filter_map(|row| read(row).transpose()).collect()
}

/// The tasks after which a task runs.
pub(super) async fn predecessors(db: &Db, id: TaskId) -> Result<Vec<TaskId>> {
    let rows = db.query(&db.sql.predecessors, &[("id", &id.as_uuid())]).await?;
    rows.iter().map(|row| Columns::new(row).take::<Uuid>().map(TaskId::from)).collect()
}
