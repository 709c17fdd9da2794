//! Decodes rows of `tasks`.

use std::cmp::Reverse;

use bytes::Bytes;
use omniq_core::{
    Backoff, Claim, Codec, Error, NewTask, Payload, Result, Task, TaskId, TaskState, WorkerId, check_name,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::SegmentRow;
use super::options::Options;
use crate::sql::jsonb::Jsonb;
use crate::sql::time::Time;
use crate::sql::{Columns, Faults, stored_error, unsigned};

/// `tasks.state`; see the migration.
pub(crate) mod state {
    pub(crate) const SCHEDULED: i16 = 0;
    pub(crate) const READY: i16 = 1;
    pub(crate) const BLOCKED: i16 = 2;
    pub(crate) const DEAD: i16 = 3;
    pub(crate) const COMPLETED: i16 = 4;
}

/// Reads `task_columns.sql`: the tasks of one row. Columns that cannot be read, because other programs have bypassed all checks, do not
/// fail the call: the tasks that they concern name them (see [`Task::unreadable`]).
pub(crate) fn segment(columns: &mut Columns<'_>) -> Result<Vec<Task>> {
    let mut faults = Faults::default();
    let id = columns.take::<Uuid>()?;
    let seq: i64 = columns.take()?;
    let row = SegmentRow { id, count: columns.take()?, removed: columns.take()? };
    let payloads: Vec<Option<&[u8]>> = faults.of("payloads", columns.take()).unwrap_or_default();
    let state: i16 = columns.take()?;
    let run_at = columns.take::<Time>()?.0;
    let expires_at = columns.time()?;
    let attempt: i32 = columns.take()?;
    let claims: i32 = columns.take()?;
    let error = stored_error(columns.take()?);
    let claimed_at = columns.time()?;
    let worker: Option<i64> = columns.take()?;
    // From here on `shared_columns.sql`.
    let queue: String = columns.take()?;
    let func: String = columns.take()?;
    let codec: &str = columns.take()?;
    let codec = faults.of("codec", codec.parse::<Codec>()).unwrap_or(Codec::Raw);
    let priority = columns.take()?;
    let max_retries: i32 = columns.take()?;
    let options = options(id, columns.take()?);
    let metadata: Option<Jsonb<'_>> = columns.take()?;
    let metadata =
        metadata.and_then(|metadata| faults.of("metadata", metadata.metadata())).unwrap_or_default();
    let created_at = columns.take::<Time>()?.0;
    // Of the database alone: whether its end is noted.
    columns.take::<bool>()?;
    faults.of("queue", check_name("the name", &queue));
    faults.of("func", check_name("the name", &func));
    faults.check("count", row.has_one_base_id(), || {
        format!("{} tasks from this one on do not have one base id", row.count)
    });
    faults.check("max_retries", max_retries >= 0, || format!("{max_retries} is less than 0"));

    let mut new = NewTask::with_payload(func, Payload::new(codec.clone(), Vec::new()));
    options.give(&mut new);
    let mut task = Task::from_new(new, TaskId::from(id), seq, created_at);
    task.queue = queue;
    task.priority = priority;
    task.state = match (state, worker) {
        (state::SCHEDULED, _) => TaskState::Scheduled,
        (state::READY, None) => TaskState::Ready,
        (state::READY, Some(_)) => TaskState::Running,
        (state::BLOCKED, _) => TaskState::Blocked,
        (state::COMPLETED, _) => TaskState::Completed,
        (other, _) => {
            faults.check("state", other == state::DEAD, || format!("{other} is unknown"));
            TaskState::Dead
        }
    };
    task.run_at = run_at;
    task.expires_at = expires_at;
    task.attempt = unsigned(attempt);
    task.max_retries = unsigned(max_retries);
    task.metadata = metadata;
    task.error = error;
    task.claimed_at = claimed_at;
    task.claim = worker.map(|worker| Claim { worker: WorkerId(worker), number: unsigned(claims) });
    if let Some(what) = faults.text() {
        task.mark_unreadable(what);
    }
    // `seq` is that of the last task.
    let first = seq.saturating_sub(i64::from(row.count) - 1);
    // One buffer for all payloads: a row holds few bytes, and its tasks are mostly processed together.
    let payload = |index: usize| payloads.get(index).copied().flatten();
    let mut rest =
        Bytes::from(payloads.iter().map(|payload| payload.unwrap_or_default()).collect::<Vec<_>>().concat());
    let shares: Vec<Bytes> =
        payloads.iter().map(|payload| rest.split_to(payload.map_or(0, <[u8]>::len))).collect();
    let own = |(index, id): (usize, TaskId)| {
        let mut own = task.clone();
        own.id = id;
        own.seq = first.saturating_add(index as i64);
        match (payload(index), shares.get(index)) {
            (Some(_), Some(share)) => own.payload = Payload::new(codec.clone(), share.clone()),
            _ if own.unreadable.is_none() => {
                own.mark_unreadable("column payloads: there are no arguments for it")
            }
            _ => {}
        }
        own
    };
    Ok(row.tasks().map(own).collect())
}

/// Other programs write options, too: if they cannot be read, the defaults hold.
fn options(id: Uuid, options: Option<Jsonb<'_>>) -> Options {
    let read = |options: Jsonb<'_>| {
        let options: Options = options.value()?;
        options.backoff.as_ref().map_or(Ok(()), Backoff::check)?;
        Ok::<_, Error>(options)
    };
    options
        .map(read)
        .transpose()
        .unwrap_or_else(|error| {
            tracing::warn!(task = %id, %error, "a task's options cannot be read: the defaults hold");
            None
        })
        .unwrap_or_default()
}

pub(crate) fn tasks(rows: &[Row]) -> Result<Vec<Task>> {
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        tasks.append(&mut segment(&mut Columns::new(row))?);
    }
    Ok(tasks)
}

/// Whether each of these rows holds one task, and never held others.
pub(crate) fn are_singles(rows: &[Row]) -> bool {
    rows.iter().all(|row| matches!(row.try_get("count"), Ok(1_i32)))
}

/// The tasks of a claim, in the order in which they are to be run: by the given order of queues, by priority, then by arrival.
pub(crate) fn claimed(rows: &[Row], queues: &[String]) -> Result<Vec<Task>> {
    let mut tasks = tasks(rows)?;
    tasks.sort_by_cached_key(|task| {
        let rank = queues.iter().position(|queue| *queue == task.queue);
        (rank, Reverse(task.priority), task.seq)
    });
    Ok(tasks)
}
