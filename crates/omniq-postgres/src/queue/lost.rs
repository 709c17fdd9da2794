//! Tasks of workers whose lease has ended.

use omniq_core::{Error, Lost, Result};
use uuid::Uuid;

use super::lock_holders::LockHolders;
use crate::db::Db;
use crate::segments::decode;
use crate::sql::{Columns, count_of};

/// Ends workers whose lease is over, and returns tasks that they hold. Workers that hold nothing any more are removed.
pub(super) async fn lost(db: &Db, holders: &LockHolders, limit: u32) -> Result<Vec<Lost>> {
    let rows = db.bounded(&db.sql.end_workers, &[]).await?;
    let workers: Vec<i64> = rows.iter().map(|row| Columns::new(row).take()).collect::<Result<_>>()?;
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let rows =
        db.bounded_search(&db.sql.lost, &[("workers", &workers), ("limit", &i64::from(limit))]).await?;
    if rows.is_empty() {
        forget(db, holders, &workers).await?;
    }
    let mut lost = Vec::new();
    for row in &rows {
        let mut columns = Columns::new(row);
        let tasks = decode::segment(&mut columns)?;
        let worker: String = columns.take()?;
        let cancelled: Vec<Uuid> = columns.take()?;
        lost.extend(tasks.into_iter().map(|task| Lost {
            cancelled: cancelled.contains(&task.id.as_uuid()),
            task,
            worker: worker.clone(),
        }));
    }
    Ok(lost)
}

/// Removes lost workers that hold nothing any more, and logs the sessions that block the rescue of the others' tasks.
async fn forget(db: &Db, holders: &LockHolders, workers: &Vec<i64>) -> Result<()> {
    let forgotten = db.bounded_search(&db.sql.forget_workers, &[("workers", workers)]).await?;
    if count_of(&forgotten)? < workers.len() as u64 {
        let rows = db.bounded_search(&db.sql.blocked_rescues, &[("workers", workers)]).await?;
        let row =
            rows.first().ok_or_else(|| Error::internal("the search for lock holders gave no answer"))?;
        let mut columns = Columns::new(row);
        let (count, names): (i64, Vec<String>) = (columns.take()?, columns.take()?);
        if count > 0 {
            holders.log("tasks of lost workers", count, &names);
        }
    }
    Ok(())
}
