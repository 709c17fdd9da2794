//! Tasks of workers whose lease has ended.

use omniq_core::{Error, Lost, Result};

use super::{AsyncPostgresQueue, count_of};
use crate::rows::{self, Columns};

/// Ends workers, and returns tasks that they held; workers that hold nothing any more are removed.
pub(super) async fn lost(queue: &AsyncPostgresQueue, limit: u32) -> Result<Vec<Lost>> {
    let db = queue.db();
    let rows = db.bounded(&db.sql.end_workers, &[]).await?;
    let workers: Vec<i64> = rows.iter().map(|row| Columns::new(row).take()).collect::<Result<_>>()?;
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = db.bounded_search(&db.sql.lost, &[&workers, &i64::from(limit)]).await?;
    if rows.is_empty() {
        forget(queue, &workers).await?;
    }
    let mut lost = Vec::new();
    for row in &rows {
        let mut columns = Columns::new(row);
        let tasks = rows::run(&mut columns)?;
        let worker: String = columns.take()?;
        lost.extend(tasks.into_iter().map(|task| Lost { task, worker: worker.clone() }));
    }
    Ok(lost)
}

/// Removes lost workers that hold nothing any more, and tells who holds up the tasks of others.
async fn forget(queue: &AsyncPostgresQueue, workers: &Vec<i64>) -> Result<()> {
    let db = queue.db();
    let forgotten = db.bounded_search(&db.sql.forget_workers, &[workers]).await?;
    if count_of(&forgotten)? < workers.len() as u64 {
        let rows = db.bounded_search(&db.sql.held_up, &[workers]).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a look for holders gave no answer"))?;
        let mut columns = Columns::new(row);
        let (count, names): (i64, Vec<String>) = (columns.take()?, columns.take()?);
        if count > 0 {
            queue.inner.holders.tell("tasks of lost workers", count, &names);
        }
    }
    Ok(())
}
