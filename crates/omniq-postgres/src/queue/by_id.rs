//! Verbs on tasks by id. One that changes a task singles it out first, so that it finds it in a row of its own.

use omniq_core::{Cancelled, Error, Result, Task, TaskId, TaskUpdate};
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
    let answer = db.all_or_none(&mut db.patience(), &calls).await;
    counts::changed(db);
    answer
}

/// The tasks with these ids, in no particular order.
pub(super) async fn get(db: &Db, ids: &[TaskId]) -> Result<Vec<Task>> {
    decode::tasks(&db.query(&db.sql.get, &[("ids", &uuids(ids))]).await?)
}

/// Asks the workers of running tasks to stop them, and with `withdraw` removes the tasks that wait.
pub(super) async fn cancel(claims: &Claims, ids: &[TaskId], withdraw: bool) -> Result<Vec<Cancelled>> {
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
