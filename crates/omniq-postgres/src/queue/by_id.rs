//! Verbs on tasks by id. One that changes a task singles it out first, so that it finds it in a row of its own.

use std::collections::HashMap;

use omniq_core::{
    Cancelled, Error, Outcome, Result, SettleMode, Settled, Settlement, Task, TaskId, TaskUpdate,
};
use tokio_postgres::Row;

use super::claims::Claims;
use super::counts;
use crate::db::Db;
use crate::segments::decode;
use crate::sql::jsonb::{self, JsonbText};
use crate::sql::time::{Time, optional};
use crate::sql::uuids;
use crate::sql::{Columns, Named, Statement};

/// Singles out these tasks, except those that a worker holds, and executes a statement on them, in one transaction.
async fn singled_out(
    claims: &Claims,
    ids: &[TaskId],
    statement: &Statement,
    params: &[Named<'_>],
) -> Result<Vec<Row>> {
    let db = &claims.db;
    let ids = uuids(ids);
    let single_out: [Named<'_>; 1] = [("ids", &ids)];
    let calls = [(&*db.sql.single_out, &single_out as &[Named<'_>]), (statement, params)];
    let answers = db.giving_way(&mut db.patience(), &calls).await;
    counts::changed(db);
    Ok(answers?.pop().unwrap_or_default())
}

/// The tasks with these ids, in no particular order.
pub(super) async fn get(db: &Db, ids: &[TaskId]) -> Result<Vec<Task>> {
    decode::tasks(&db.query(&db.sql.get, &[("ids", &uuids(ids))]).await?)
}

/// How often a task of a lost worker may be taken back between its lookup and its cancel.
const ROUNDS: usize = 100;

/// Cancels tasks: removes those that wait, and asks the workers of running ones to stop them. What a lost worker holds is removed
/// by its claim.
pub(super) async fn cancel(claims: &Claims, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
    let mut answers = HashMap::with_capacity(ids.len());
    let (mut open, mut read) = (ids.to_vec(), Vec::new());
    for _ in 0..ROUNDS {
        let found = withdraw_or_stop(claims, &open, true).await?;
        answers.extend(open.iter().copied().zip(found));
        open.retain(|id| answers.get(id) == Some(&Cancelled::NotFound));
        // A claim that was there before, and holds still, is that of a worker that was not asked, because it is lost.
        read.retain(|task: &Task| open.contains(&task.id));
        let held: Vec<Settlement> = read.iter().filter_map(cancel_by_claim).collect();
        for (one, settled) in held.iter().zip(claims.settle(&held, SettleMode::Each).await?) {
            match settled {
                Settled::Done => _ = answers.insert(one.task_id, Cancelled::Done),
                Settled::Lost => {}
                Settled::Busy => {
                    return Err(Error::conflict(format!(
                        "task {} of a lost worker could not be cancelled, as another session holds its row by a lock: try again",
                        one.task_id
                    )));
                }
            }
        }
        open.retain(|id| answers.get(id) == Some(&Cancelled::NotFound));
        read = if open.is_empty() { Vec::new() } else { get(&claims.db, &open).await? };
        read.retain(|task| task.claim.is_some());
        open = read.iter().map(|task| task.id).collect();
        if open.is_empty() {
            return Ok(ids
                .iter()
                .map(|id| answers.get(id).copied().unwrap_or(Cancelled::NotFound))
                .collect());
        }
    }
    Err(Error::conflict(format!(
        "task {} was taken back or has ended at each of {ROUNDS} tries to cancel it: try again",
        open[0]
    )))
}

fn cancel_by_claim(task: &Task) -> Option<Settlement> {
    let claim = Some(task.claim?);
    Some(Settlement::new(task.id, claim, Outcome::Cancel))
}

/// Asks the workers of running tasks to stop them.
pub(super) async fn stop(claims: &Claims, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
    withdraw_or_stop(claims, ids, false).await
}

/// The same for maintenance: waits for a lock for a second at most.
pub(super) async fn stop_soon(claims: &Claims, ids: &[TaskId]) -> Result<()> {
    let (db, ids) = (&claims.db, uuids(ids));
    let single_out: [Named<'_>; 1] = [("ids", &ids)];
    let stop: [Named<'_>; 2] = [("ids", &ids), ("withdraw", &false)];
    db.bounded_all(&[(&*db.sql.single_out, &single_out), (&db.sql.cancel, &stop)]).await.map(drop)
}

async fn withdraw_or_stop(claims: &Claims, ids: &[TaskId], withdraw: bool) -> Result<Vec<Cancelled>> {
    let rows =
        singled_out(claims, ids, &claims.db.sql.cancel, &[("ids", &uuids(ids)), ("withdraw", &withdraw)])
            .await?;
    let row = rows.first().ok_or_else(|| Error::internal("a cancel gave no answer"))?;
    let mut columns = Columns::new(row);
    let mut answers = vec![Cancelled::NotFound; ids.len()];
    for answer in [Cancelled::Done, Cancelled::Requested] {
        for rank in columns.take::<Vec<i64>>()? {
            answers[usize::try_from(rank - 1).unwrap_or(0)] = answer;
        }
    }
    Ok(answers)
}

pub(super) async fn update(claims: &Claims, id: TaskId, change: TaskUpdate) -> Result<Task> {
    change.check(&claims.limits)?;
    let codec = change.payload.as_ref().map(|payload| payload.codec().name().to_owned());
    let payload = change.payload.as_ref().map(|payload| payload.bytes().as_ref());
    let retries = change.max_retries.map(|retries| i32::try_from(retries).unwrap_or(i32::MAX));
    let metadata = change.metadata.as_ref().map(jsonb::text).transpose()?.map(JsonbText);
    let run_at: Option<Time> = optional(change.run_at);
    let uuid = id.as_uuid();
    let params: [Named<'_>; 8] = [
        ("id", &uuid),
        ("queue", &change.queue),
        ("priority", &change.priority),
        ("run_at", &run_at),
        ("payload", &payload),
        ("codec", &codec),
        ("max_retries", &retries),
        ("metadata", &metadata),
    ];
    let rows = singled_out(claims, &[id], &claims.db.sql.update, &params).await?;
    decode::tasks(&rows)?.pop().ok_or_else(|| Error::internal("an update gave no task"))
}

pub(super) async fn retry(claims: &Claims, ids: &[TaskId]) -> Result<()> {
    singled_out(claims, ids, &claims.db.sql.retry, &[("ids", &uuids(ids))]).await.map(drop)
}

pub(super) async fn delete(claims: &Claims, ids: &[TaskId]) -> Result<()> {
    singled_out(claims, ids, &claims.db.sql.delete, &[("ids", &uuids(ids))]).await.map(drop)
}
