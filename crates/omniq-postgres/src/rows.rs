//! Between rows and models: tasks, results and events.

use std::cmp::Reverse;
use std::time::Duration;

use bytes::Bytes;
use omniq_core::{
    Backoff, Claim, Codec, Error, EventKind, Payload, Result, Task, TaskError, TaskEvent, TaskId, TaskResult,
    TaskState, WorkerId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::bits::Bits;
use crate::time::Time;

/// The options of a task that most tasks leave at their defaults, as one JSON column.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Options {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backoff: Option<Backoff>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<f64>,
}

/// `tasks.state`; see the migration.
pub(crate) mod state {
    pub(crate) const SCHEDULED: i16 = 0;
    pub(crate) const READY: i16 = 1;
    pub(crate) const DEAD: i16 = 3;
    pub(crate) const COMPLETED: i16 = 4;
}

/// Reads the columns of one row from left to right.
pub(crate) struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn new(row: &'a Row) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn take<T: FromSql<'a>>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| {
            Error::internal(format!("column {index} of a row cannot be read: {error}")).with_source(error)
        })
    }

    fn time(&mut self) -> Result<Option<jiff::Timestamp>> {
        Ok(self.take::<Option<Time>>()?.map(|time| time.0))
    }

    fn json<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>> {
        self.take::<Option<Value>>()?
            .map(|value| {
                serde_json::from_value(value).map_err(|error| {
                    Error::internal(format!("a JSON column cannot be read: {error}")).with_source(error)
                })
            })
            .transpose()
    }
}

/// Reads `task_columns.sql`: the tasks of one row.
pub(crate) fn run(columns: &mut Columns<'_>) -> Result<Vec<Task>> {
    let id = columns.take::<Uuid>()?;
    let seq: i64 = columns.take()?;
    let queue = columns.take()?;
    let func: String = columns.take()?;
    let codec: &str = columns.take()?;
    let codec = codec.parse::<Codec>()?;
    let row = RowOf { id, count: columns.take()?, gone: columns.take()? };
    let bodies: Vec<&[u8]> = columns.take()?;
    let priority = columns.take()?;
    let state: i16 = columns.take()?;
    let run_at = columns.take::<Time>()?.0;
    let expires_at = columns.time()?;
    let attempt: i32 = columns.take()?;
    let claims: i32 = columns.take()?;
    let max_retries: i32 = columns.take()?;
    // Other clients write them, too: one task with odd options must not hold up a whole queue.
    let options: Options = columns
        .json()
        .unwrap_or_else(|error| {
            tracing::warn!(task = %id, %error, "a task's options cannot be read: the defaults hold");
            None
        })
        .unwrap_or_default();
    let metadata: Map<String, Value> = columns.json()?.unwrap_or_default();
    let error: Option<TaskError> = columns.json()?;
    let created_at = columns.take::<Time>()?.0;
    let claimed_at = columns.time()?;
    let worker: Option<i64> = columns.take()?;

    let payload = Payload::new(codec.clone(), Vec::new());
    let id = TaskId::from(id);
    let mut task = Task::from_new(omniq_core::NewTask::with_payload(func, payload), id, seq, created_at);
    task.queue = queue;
    task.priority = priority;
    task.state = match (state, worker) {
        (state::SCHEDULED, _) => TaskState::Scheduled,
        (state::READY, None) => TaskState::Ready,
        (state::READY, Some(_)) => TaskState::Running,
        (state::DEAD, _) => TaskState::Dead,
        (state::COMPLETED, _) => TaskState::Completed,
        (other, _) => return Err(Error::internal(format!("task {id} has the unknown state {other}"))),
    };
    task.run_at = run_at;
    task.expires_at = expires_at;
    task.attempt = unsigned(attempt);
    task.max_retries = unsigned(max_retries);
    task.backoff = options.backoff.unwrap_or_default();
    task.timeout = options.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    task.metadata = metadata;
    task.error = error;
    task.claimed_at = claimed_at;
    task.claim = worker.map(|worker| Claim { worker: WorkerId(worker), number: unsigned(claims) });
    // The row has the place of its last task in the order of arrival.
    let first = seq - i64::from(row.count) + 1;
    // One buffer for all: a row holds little, and its tasks are mostly worked together.
    let mut rest = Bytes::from(bodies.concat());
    let bodies: Vec<Bytes> = bodies.iter().map(|body| rest.split_to(body.len())).collect();
    let own = |(place, id): (usize, TaskId)| {
        let body = bodies.get(place).ok_or_else(|| Error::internal(format!("task {id} has no arguments")))?;
        let mut own = task.clone();
        own.id = id;
        own.seq = first + place as i64;
        own.payload = Payload::new(codec.clone(), body.clone());
        Ok(own)
    };
    row.tasks().map(own).collect()
}

pub(crate) fn tasks(rows: &[Row]) -> Result<Vec<Task>> {
    let mut tasks = Vec::with_capacity(rows.len());
    for row in rows {
        tasks.append(&mut run(&mut Columns::new(row))?);
    }
    Ok(tasks)
}

/// What a claim has brought, in the order in which it is to be worked: by queue as asked for, by priority, then by arrival.
pub(crate) fn claimed(rows: &[Row], queues: &[String]) -> Result<Vec<Task>> {
    let mut tasks = tasks(rows)?;
    tasks.sort_by_cached_key(|task| {
        let rank = queues.iter().position(|queue| *queue == task.queue);
        (rank, Reverse(task.priority), task.seq)
    });
    Ok(tasks)
}

/// Which tasks a row holds.
pub(crate) struct RowOf {
    pub(crate) id: Uuid,
    pub(crate) count: i32,
    gone: Option<Bits>,
}

impl RowOf {
    /// Reads id, count and gone.
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { id: columns.take()?, count: columns.take()?, gone: columns.take()? })
    }

    /// The tasks that are there, with their places in the row.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (usize, TaskId)> {
        let count = usize::try_from(self.count).unwrap_or(0);
        (0..count)
            .filter(|place| !self.gone.as_ref().is_some_and(|gone| gone.is_marked(*place)))
            .map(|place| (place, TaskId::from(Uuid::from_u128(self.id.as_u128() + place as u128))))
    }
}

/// Reads `result_columns.sql`.
pub(crate) fn result(row: &Row) -> Result<TaskResult> {
    let mut columns = Columns::new(row);
    let id = TaskId::from(columns.take::<Uuid>()?);
    let status = columns.take::<&str>()?.parse()?;
    let mut result = TaskResult::new(id, status);
    let codec: Option<&str> = columns.take()?;
    let value: Option<&[u8]> = columns.take()?;
    result.value = match (codec, value) {
        (Some(codec), Some(value)) => Some(Payload::new(codec.parse::<Codec>()?, value.to_vec())),
        _ => None,
    };
    result.error = columns.json()?;
    result.queue = columns.take()?;
    result.func = columns.take()?;
    result.worker = columns.take()?;
    result.attempt = unsigned(columns.take()?);
    result.metadata = columns.json()?.unwrap_or_default();
    result.enqueued_at = columns.time()?;
    result.started_at = columns.time()?;
    result.finished_at = columns.take::<Time>()?.0;
    result.expires_at = columns.time()?;
    Ok(result)
}

/// Reads `event_columns.sql`.
pub(crate) fn event(row: &Row) -> Result<TaskEvent> {
    let mut columns = Columns::new(row);
    let id = columns.take()?;
    let at = columns.take::<Time>()?.0;
    let kind: EventKind = columns.take::<&str>()?.parse()?;
    let mut event = TaskEvent::new(kind);
    event.id = id;
    event.at = at;
    event.task_id = columns.take::<Option<Uuid>>()?.map(TaskId::from);
    event.queue = columns.take()?;
    event.func = columns.take()?;
    event.worker = columns.take()?;
    event.attempt = columns.take::<Option<i32>>()?.map(unsigned);
    event.data = columns.json()?.unwrap_or_default();
    Ok(event)
}

/// Counters are checked to be at least 0 by the database's own rules.
fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
