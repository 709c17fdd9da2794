//! Between rows and models: tasks, results and events.

use std::cmp::Reverse;
use std::time::Duration;

use bytes::Bytes;
use omniq_core::{
    Backoff, Claim, Codec, Error, EventKind, Payload, Result, ResultStatus, Task, TaskError, TaskEvent,
    TaskId, TaskResult, TaskState, WorkerId, check_name,
};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::bits::Bits;
use crate::jsonb::Jsonb;
use crate::runs::{RUN, place_of};
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
}

/// What of a row cannot be read, by the names of its columns: noted, so that the rest of it, and other rows, can be.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    /// The value, or nothing and a note.
    fn of<T>(&mut self, column: &str, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.0.push(format!("column {column}: {}", error.message()))).ok()
    }

    fn check(&mut self, column: &str, holds: bool, words: impl FnOnce() -> String) {
        if !holds {
            self.0.push(format!("column {column}: {}", words()));
        }
    }

    fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }
}

/// A stored error; of one that cannot be read, an error that says so.
fn stored_error(error: Option<Jsonb<'_>>) -> Option<TaskError> {
    let read = |error: Jsonb<'_>| error.value();
    error
        .map(|error| read(error).unwrap_or_else(|why| TaskError::unreadable(&format!("column error: {why}"))))
}

/// Reads `task_columns.sql`: the tasks of one row. What somebody has written past all checks does not fail here: the tasks that it
/// concerns say so (see [`Task::unreadable`]).
pub(crate) fn run(columns: &mut Columns<'_>) -> Result<Vec<Task>> {
    let mut faults = Faults::default();
    let id = columns.take::<Uuid>()?;
    let seq: i64 = columns.take()?;
    let queue: String = columns.take()?;
    let func: String = columns.take()?;
    let codec: &str = columns.take()?;
    let codec = faults.of("codec", codec.parse::<Codec>()).unwrap_or(Codec::Raw);
    let row = RowOf { id, count: columns.take()?, removed: columns.take()? };
    let payloads: Vec<Option<&[u8]>> = faults.of("payloads", columns.take()).unwrap_or_default();
    let priority = columns.take()?;
    let state: i16 = columns.take()?;
    let run_at = columns.take::<Time>()?.0;
    let expires_at = columns.time()?;
    let attempt: i32 = columns.take()?;
    let claims: i32 = columns.take()?;
    let max_retries: i32 = columns.take()?;
    let options = options(id, columns.take()?);
    let metadata: Option<Jsonb<'_>> = columns.take()?;
    let metadata =
        metadata.and_then(|metadata| faults.of("metadata", metadata.metadata())).unwrap_or_default();
    let error = stored_error(columns.take()?);
    let created_at = columns.take::<Time>()?.0;
    let claimed_at = columns.time()?;
    let worker: Option<i64> = columns.take()?;
    faults.of("queue", check_name("the name", &queue));
    faults.of("func", check_name("the name", &func));
    faults.check("count", row.is_within_its_run(), || {
        format!("{} tasks from this one on are no run", row.count)
    });
    faults.check("max_retries", max_retries >= 0, || format!("{max_retries} is less than 0"));

    let payload = Payload::new(codec.clone(), Vec::new());
    let id = TaskId::from(id);
    let mut task = Task::from_new(omniq_core::NewTask::with_payload(func, payload), id, seq, created_at);
    task.queue = queue;
    task.priority = priority;
    task.state = match (state, worker) {
        (state::SCHEDULED, _) => TaskState::Scheduled,
        (state::READY, None) => TaskState::Ready,
        (state::READY, Some(_)) => TaskState::Running,
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
    task.backoff = options.backoff.unwrap_or_default();
    task.timeout = options.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    task.metadata = metadata;
    task.error = error;
    task.claimed_at = claimed_at;
    task.claim = worker.map(|worker| Claim { worker: WorkerId(worker), number: unsigned(claims) });
    if let Some(what) = faults.text() {
        task.mark_unreadable(what);
    }
    // The row has the place of its last task in the order of arrival.
    let first = seq.saturating_sub(i64::from(row.count) - 1);
    // One buffer for all: a row holds little, and its tasks are mostly worked together.
    let payload = |place: usize| payloads.get(place).copied().flatten();
    let mut rest =
        Bytes::from(payloads.iter().map(|payload| payload.unwrap_or_default()).collect::<Vec<_>>().concat());
    let shares: Vec<Bytes> = payloads.iter().map(|payload| rest.split_to(payload.map_or(0, <[u8]>::len))).collect();
    let own = |(place, id): (usize, TaskId)| {
        let mut own = task.clone();
        own.id = id;
        own.seq = first.saturating_add(place as i64);
        match (payload(place), shares.get(place)) {
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

/// Other clients write them, too: of what cannot be meant the defaults hold.
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
    removed: Option<Bits>,
}

impl RowOf {
    /// Reads id, count and removed.
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { id: columns.take()?, count: columns.take()?, removed: columns.take()? })
    }

    /// Whether it is one task or more, and the last of them has a place.
    fn is_within_its_run(&self) -> bool {
        (1..=RUN - place_of(self.id) as i64).contains(&i64::from(self.count))
    }

    /// The tasks that are there, with their places in the row.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (usize, TaskId)> {
        let count = i64::from(self.count).clamp(0, RUN - place_of(self.id) as i64) as usize;
        (0..count)
            .filter(|place| !self.removed.as_ref().is_some_and(|removed| removed.is_marked(*place)))
            .map(|place| (place, TaskId::from(Uuid::from_u128(self.id.as_u128() + place as u128))))
    }
}

/// Reads `result_columns.sql`. What cannot be read does not fail here: a result without its value, or of an unknown status, is
/// one of a failed task, and its error says why.
pub(crate) fn result(row: &Row) -> Result<TaskResult> {
    let mut columns = Columns::new(row);
    let mut faults = Faults::default();
    let id = TaskId::from(columns.take::<Uuid>()?);
    let status = faults.of("status", columns.take::<&str>()?.parse());
    let mut result = TaskResult::new(id, ResultStatus::Failed);
    let codec: Option<&str> = columns.take()?;
    let value: Option<&[u8]> = columns.take()?;
    if let (Some(codec), Some(value)) = (codec, value) {
        let codec = faults.of("codec", codec.parse::<Codec>());
        result.value = codec.map(|codec| Payload::new(codec, value.to_vec()));
    }
    if let (Some(status), true) = (status, faults.0.is_empty()) {
        result.status = status;
    }
    result.error = stored_error(columns.take()?);
    result.queue = columns.take()?;
    result.func = columns.take()?;
    result.worker = columns.take()?;
    result.attempt = unsigned(columns.take()?);
    let metadata: Option<Jsonb<'_>> = columns.take()?;
    result.metadata =
        metadata.and_then(|metadata| faults.of("metadata", metadata.object())).unwrap_or_default();
    result.enqueued_at = columns.time()?;
    result.started_at = columns.time()?;
    result.finished_at = columns.take::<Time>()?.0;
    result.expires_at = columns.time()?;
    if let Some(what) = faults.text() {
        tracing::error!(task = %id, what, "a result cannot be read");
        result.error = Some(TaskError::unreadable(&what));
    }
    Ok(result)
}

/// Reads `event_columns.sql`. In place of data that cannot be read it says why.
pub(crate) fn event(row: &Row) -> Result<TaskEvent> {
    let mut columns = Columns::new(row);
    let mut faults = Faults::default();
    let id = columns.take()?;
    let at = columns.take::<Time>()?.0;
    let kind: &str = columns.take()?;
    let kind = faults.of("kind", kind.parse()).unwrap_or_else(|| EventKind::Custom(kind.to_owned()));
    let mut event = TaskEvent::new(kind);
    event.id = id;
    event.at = at;
    event.task_id = columns.take::<Option<Uuid>>()?.map(TaskId::from);
    event.queue = columns.take()?;
    event.func = columns.take()?;
    event.worker = columns.take()?;
    event.attempt = columns.take::<Option<i32>>()?.map(unsigned);
    let data: Option<Jsonb<'_>> = columns.take()?;
    event.data = data.and_then(|data| faults.of("data", data.object())).unwrap_or_default();
    if let Some(what) = faults.text() {
        event = event.with("unreadable", what);
    }
    Ok(event)
}

/// Counters begin at 0; what somebody has written below is taken for it.
fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
