//! Dependencies: acts on the notes of ends, so that tasks that waited for others go on. `docs/decisions/0055-dependencies.md`.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use omniq_core::{Broken, Error, Result, TaskId};
use uuid::Uuid;

use crate::db::Db;
use crate::segments::decode;
use crate::sql::Columns;

/// The most notes of one transaction, so that it is short.
const NOTES: i32 = 500;
/// How far behind the last note that was seen one begins, because notes are not committed in the order of their numbers. What is further behind
/// is found by the maintenance. From the first note on, one would read over those that were deleted and not vacuumed yet.
const BEHIND: i64 = 1_000;
/// The most nodes that one step of the clean-up looks at.
const STEP: i32 = 500;
/// The most steps in a row.
const STEPS: usize = 10;

/// What a queue object knows of notes.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    last: AtomicI64,
    has_broken: AtomicBool,
}

impl Dependencies {
    /// Whether blocked tasks have to end, as far as it was seen since the last call.
    pub(super) fn has_broken(&self) -> bool {
        self.has_broken.swap(false, Ordering::AcqRel)
    }

    /// Acts on notes that a call has made. What made them is committed, so an error is only logged: the maintenance of any worker does it then.
    pub(super) async fn advance(&self, db: &Db) {
        if let Err(error) = self.advance_from(db, self.since(), NOTES).await {
            tracing::debug!(%error, "what tasks wait for is counted later");
        }
    }

    /// The same after a verb that may have made notes.
    pub(super) async fn advance_perhaps(&self, db: &Db) {
        match next_note(db, self.since()).await {
            Ok(Some(_)) => self.advance(db).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "what tasks wait for is counted later"),
        }
    }

    fn since(&self) -> i64 {
        self.last.load(Ordering::Acquire).saturating_sub(BEHIND).max(0)
    }

    /// Until there are none, or another session acts on them, which looks again after it has.
    async fn advance_from(&self, db: &Db, mut since: i64, most: i32) -> Result<()> {
        loop {
            let row = db.one(&db.sql.advance, &[("since", &since), ("limit", &most)]).await?;
            let mut columns = Columns::new(&row);
            let (last, again): (i64, bool) = (columns.take()?, columns.take()?);
            if columns.take()? {
                self.has_broken.store(true, Ordering::Release);
            }
            self.last.fetch_max(last, Ordering::AcqRel);
            if !again {
                return Ok(());
            }
            since = since.max(last.saturating_sub(BEHIND));
        }
    }

    /// One note at a time, so that one that cannot be acted on holds up no other.
    async fn advance_one_by_one(&self, db: &Db) -> Result<()> {
        let (mut since, mut failed) = (0, None);
        while let Some(note) = next_note(db, since).await? {
            match db.one(&db.sql.advance, &[("since", &(note - 1)), ("limit", &1)]).await {
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => failed = Some(error),
            }
            since = note;
        }
        failed.map_or(Ok(()), Err)
    }

    /// Acts on all notes, and deletes what no task can ask for any more.
    pub(super) async fn maintain(&self, db: &Db) -> Result<()> {
        if next_note(db, 0).await?.is_some() {
            match self.advance_from(db, 0, NOTES).await {
                Err(error) if !error.is_transient() => self.advance_one_by_one(db).await?,
                done => done?,
            }
        }
        for _ in 0..STEPS {
            let rows = db.bounded(&db.sql.clean_dependencies, &[("limit", &STEP)]).await?;
            let looked = rows.first().map(|row| Columns::new(row).take::<i32>()).transpose()?;
            if looked.is_none_or(|looked| looked < STEP) {
                break;
            }
        }
        Ok(())
    }
}

async fn next_note(db: &Db, since: i64) -> Result<Option<i64>> {
    db.query(&db.sql.next_note, &[("since", &since)])
        .await?
        .first()
        .map(|row| Columns::new(row).take())
        .transpose()
}

/// The blocked tasks that have to end.
pub(super) async fn broken(db: &Db, limit: u32) -> Result<Vec<Broken>> {
    let rows = db.bounded(&db.sql.broken, &[("limit", &i64::from(limit))]).await?;
    let read = |row| {
        let mut columns = Columns::new(row);
        let task = decode::segment(&mut columns)?.pop();
        let (by, is_dead): (Uuid, bool) = (columns.take()?, columns.take()?);
        let task = task.ok_or_else(|| Error::internal("a blocked task has no row"))?;
        Ok(Broken::new(task, TaskId::from(by), is_dead))
    };
    rows.iter().map(read).collect()
}

/// The tasks after which a task runs.
pub(super) async fn predecessors(db: &Db, id: TaskId) -> Result<Vec<TaskId>> {
    let rows = db.query(&db.sql.predecessors, &[("id", &id.as_uuid())]).await?;
    rows.iter().map(|row| Columns::new(row).take::<Uuid>().map(TaskId::from)).collect()
}
