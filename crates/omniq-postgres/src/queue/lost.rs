//! Tasks of workers whose lease has ended.

use std::collections::HashMap;

use omniq_core::{CancelRequest, Error, Lost, Result, Task, TaskId, TaskState};
use uuid::Uuid;

use super::by_id;
use super::claims::Claims;
use super::lock_holders::LockHolders;
use crate::db::Db;
use crate::segments::decode;
use crate::sql::{Columns, count_of};

/// Ends workers whose lease is over, and returns tasks that they hold. Workers that hold nothing any more are removed.
pub(super) async fn lost(claims: &Claims, limit: u32) -> Result<Vec<Lost>> {
    let db = &claims.db;
    let rows = db.bounded(&db.sql.end_workers, &[]).await?;
    let (mut workers, mut asked): (Vec<i64>, HashMap<CancelRequest, String>) = Default::default();
    for row in &rows {
        let mut columns = Columns::new(row);
        workers.push(columns.take()?);
        let name: String = columns.take()?;
        asked.extend(cancel_requests(&mut columns)?.into_iter().map(|asked| (asked, name.clone())));
    }
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let rows =
        db.bounded_search(&db.sql.lost, &[("workers", &workers), ("limit", &i64::from(limit))]).await?;
    if rows.is_empty() {
        let marked_for_cancel = handed_back(claims, &workers, asked, limit).await?;
        if marked_for_cancel.is_empty() {
            forget(db, &claims.lock_holders, &workers).await?;
        }
        return Ok(marked_for_cancel);
    }
    let mut lost = Vec::new();
    for row in &rows {
        let mut columns = Columns::new(row);
        let tasks = decode::segment(&mut columns)?;
        let worker: String = columns.take()?;
        lost.extend(tasks.into_iter().map(|task| Lost {
            cancelled: asked.contains_key(&CancelRequest::of(&task)),
            task,
            worker: worker.clone(),
        }));
    }
    Ok(lost)
}

/// What lost workers were asked to stop and have handed back: the tasks that wait. Workers that run others of them by now are
/// asked.
async fn handed_back(
    claims: &Claims,
    workers: &[i64],
    mut asked: HashMap<CancelRequest, String>,
    limit: u32,
) -> Result<Vec<Lost>> {
    let db = &claims.db;
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<TaskId> = asked.keys().map(|asked| asked.task_id).collect();
    let mut found = by_id::get(db, &ids).await?;
    found.retain(|task| asked.contains_key(&CancelRequest::of(task)));
    let elsewhere = |task: &&Task| task.claim.is_some_and(|claim| !workers.contains(&claim.worker.0));
    let running: Vec<TaskId> = found.iter().filter(elsewhere).map(|task| task.id).collect();
    if !running.is_empty() {
        by_id::stop_soon(claims, &running).await?;
    }
    found.retain(|task| matches!(task.state, TaskState::Ready | TaskState::Scheduled));
    found.truncate(limit as usize);
    let lost = |task: Task| {
        let worker = asked.remove(&CancelRequest::of(&task)).unwrap_or_default();
        Lost { task, worker, cancelled: true }
    };
    Ok(found.into_iter().map(lost).collect())
}

/// What a worker was asked to stop: the tasks, and their `seq`.
pub(super) fn cancel_requests(columns: &mut Columns<'_>) -> Result<Vec<CancelRequest>> {
    let (ids, seqs): (Vec<Uuid>, Vec<i64>) = (columns.take()?, columns.take()?);
    Ok(ids.into_iter().zip(seqs).map(|(id, seq)| CancelRequest { task_id: id.into(), seq }).collect())
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
