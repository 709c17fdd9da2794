//! Verbs on tasks that are named by their ids: each is taken out of its row first, and found in a row of its own by the verb behind.

use omniq_core::{Cancelled, Error, Result, Task, TaskId, TaskUpdate};
use tokio_postgres::Row;

use super::{AsyncPostgresQueue, fold, uuids};
use crate::db::Param;
use crate::jsonb::{self, JsonbText};
use crate::rows::{self, Columns};
use crate::sql::Statement;
use crate::time::{Time, optional};

/// Runs a statement on tasks that stand in rows of their own by then, but for those that a worker holds; both in one transaction.
async fn singled_out(
    queue: &AsyncPostgresQueue,
    ids: &[TaskId],
    statement: &Statement,
    params: &[Param<'_>],
) -> Result<Vec<Row>> {
    let db = queue.db();
    let single_out: [Param<'_>; 1] = [&uuids(ids)];
    let calls = [(&db.sql.single_out, &single_out as &[Param<'_>]), (statement, params)];
    let answer = db.all_or_none(&mut db.patience(), &calls).await;
    queue.inner.cursors.clear();
    fold::changed(db);
    answer
}

/// Withdraws tasks that no worker holds, if that is wanted, and asks the workers of the others to stop them.
pub(super) async fn cancel(
    queue: &AsyncPostgresQueue,
    ids: &[TaskId],
    withdraw: bool,
) -> Result<Vec<Cancelled>> {
    let rows = singled_out(queue, ids, &queue.db().sql.cancel, &[&uuids(ids), &withdraw]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("a cancel gave no answer"))?;
    let mut columns = Columns::new(row);
    let mut answers = vec![Cancelled::NotFound; ids.len()];
    for answer in [Cancelled::Done, Cancelled::Requested] {
        for place in columns.take::<Vec<i64>>()? {
            answers[usize::try_from(place - 1).unwrap_or(0)] = answer;
        }
    }
    Ok(answers)
}

pub(super) async fn update(queue: &AsyncPostgresQueue, id: TaskId, change: TaskUpdate) -> Result<Task> {
    change.check(&queue.inner.limits)?;
    let codec = change.payload.as_ref().map(|payload| payload.codec().name().to_owned());
    let payload = change.payload.as_ref().map(|payload| payload.bytes().as_ref());
    let retries = change.max_retries.map(|retries| i32::try_from(retries).unwrap_or(i32::MAX));
    let metadata = change.metadata.as_ref().map(jsonb::text).transpose()?.map(JsonbText);
    let run_at: Option<Time> = optional(change.run_at);
    let params: [Param<'_>; 8] =
        [&id.as_uuid(), &change.queue, &change.priority, &run_at, &payload, &codec, &retries, &metadata];
    let rows = singled_out(queue, &[id], &queue.db().sql.update, &params).await?;
    rows::tasks(&rows)?.pop().ok_or_else(|| Error::internal("an update gave no task"))
}

pub(super) async fn retry(queue: &AsyncPostgresQueue, ids: &[TaskId]) -> Result<()> {
    singled_out(queue, ids, &queue.db().sql.retry, &[&uuids(ids)]).await.map(drop)
}

pub(super) async fn delete(queue: &AsyncPostgresQueue, ids: &[TaskId]) -> Result<()> {
    singled_out(queue, ids, &queue.db().sql.delete, &[&uuids(ids)]).await.map(drop)
}
