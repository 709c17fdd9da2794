//! Everything about one task: its row in the queue, its result, its events.

use std::time::Duration;

use jiff::Timestamp;
use omniq::backend::postgres::AsyncPostgresBackend;
use omniq::{EventFilter, Payload, Predecessor, Task, TaskError, TaskEvent, TaskId, TaskResult};
use serde_json::{Map, Value, json};

use super::{events, results, tasks};
use crate::fail::Result;
use crate::output::{Output, Tint, ago, printable, printable_lines, shorten, stamp, took};
use crate::record::{self, EventRecord, ResultRecord, TaskRecord, preview};

/// How many characters of a payload are shown; `--json` has all of it.
const PREVIEW: usize = 2000;

/// How many events are shown: the last ones.
const EVENTS: u32 = 1000;

/// How many of the tasks that it runs after are shown.
const AFTER: usize = 10;

/// How long the result and the events are waited for, each: a lock on one of them must not hide the rest.
const PATIENCE: Duration = Duration::from_secs(3);

pub struct Whole {
    id: TaskId,
    task: Option<Task>,
    /// The tasks that it runs after, and how far they are.
    after: Vec<(TaskId, &'static str)>,
    result: Option<TaskResult>,
    events: Vec<TaskEvent>,
}

impl Whole {
    pub async fn of(backend: &AsyncPostgresBackend, id: TaskId, out: &Output) -> Result<Self> {
        let task = backend.queue().get(id).await?;
        let result = match backend.results() {
            Some(results) => in_time("results", results.get(id), out).await?.flatten(),
            None => None,
        };
        let events = match backend.events() {
            Some(events) => {
                let limit = Some(EVENTS + 1);
                let of_task =
                    EventFilter { task_id: Some(id), latest: true, limit, ..EventFilter::default() };
                in_time("events", events.query(&of_task), out).await?.unwrap_or_default()
            }
            None => Vec::new(),
        };
        let after = predecessors(backend, id).await?;
        Ok(Self { id, task, after, result, events })
    }

    /// The events to show. One more than [`EVENTS`] is read; if it is there, it is left out and a note says that there
    /// are more.
    fn last_events(&self, out: &Output) -> &[TaskEvent] {
        let events = &self.events;
        if events.len() <= EVENTS as usize {
            return events;
        }
        let all = format!("`omniq events list --task {} --all`", self.id);
        out.note(format!("The last {EVENTS} events are shown of more: {all} has all"));
        &events[1..]
    }

    pub fn is_nothing(&self) -> bool {
        self.task.is_none() && self.result.is_none() && self.events.is_empty()
    }

    pub fn show(&self, out: &Output) -> Result<()> {
        if out.is_json() {
            return out.json(&json!({
                "id": self.id,
                "task": self.task.as_ref().map(TaskRecord::from),
                "after": self.after.iter().map(|(id, state)| json!({ "id": id, "state": state })).collect::<Vec<_>>(),
                "result": self.result.as_ref().map(ResultRecord::from),
                "events": record::all::<_, EventRecord<'_>>(self.last_events(out)),
            }));
        }
        out.line(out.paint(&format!("Task {}", self.id), Tint::Bold))?;
        match &self.task {
            Some(task) => show_task(task, out)?,
            None => out.line("It is not in the queue (any more).")?,
        }
        for (id, state) in self.after.iter().take(AFTER) {
            field(out, "after", format!("{id} {state}"), None)?;
        }
        if self.after.len() > AFTER {
            field(out, "after", format!("{} more: --json has all", self.after.len() - AFTER), None)?;
        }
        if let Some(result) = &self.result {
            out.line(format!("\n{}", out.paint("Result", Tint::Bold)))?;
            show_result(result, out)?;
        }
        if !self.events.is_empty() {
            out.line(format!("\n{}", out.paint("Events", Tint::Bold)))?;
            out.line(events::table(self.last_events(out), out))?;
        }
        Ok(())
    }
}

async fn predecessors(backend: &AsyncPostgresBackend, id: TaskId) -> Result<Vec<(TaskId, &'static str)>> {
    let predecessors = backend.predecessors(id).await?;
    let ids: Vec<TaskId> = predecessors.iter().map(|one| one.task_id).collect();
    let tasks = if ids.is_empty() { Vec::new() } else { backend.queue().get_many(&ids).await? };
    let state = |one: &Predecessor, task: &Option<Task>| match (task, &one.result) {
        (Some(task), _) => task.state.name(),
        (None, Some(result)) => result.status.name(),
        (None, None) => "ended",
    };
    Ok(predecessors.iter().zip(&tasks).map(|(one, task)| (one.task_id, state(one, task))).collect())
}

/// What is read of one part; `None`, with a note, if that takes too long.
async fn in_time<T>(
    what: &str,
    read: impl Future<Output = omniq::Result<T>>,
    out: &Output,
) -> Result<Option<T>> {
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(read) => Ok(Some(read?)),
        Err(_) => {
            out.note(format!(
                "The {what} could not be read within {PATIENCE:?} and are left out: another session may have locked the table"
            ));
            Ok(None)
        }
    }
}

fn field(out: &Output, name: &str, value: impl AsRef<str>, tint: Option<Tint>) -> Result<()> {
    let name = out.paint(&format!("{name:<9}"), Tint::Dim);
    let value = printable(value.as_ref());
    let value = tint.map_or_else(|| value.clone(), |tint| out.paint(&value, tint));
    out.line(format!("  {name}  {value}"))
}

fn moment(time: Timestamp) -> String {
    format!("{} ({})", stamp(time), ago(time, Timestamp::now()))
}

fn show_task(task: &Task, out: &Output) -> Result<()> {
    field(out, "state", task.state.name(), tasks::tint(task.state))?;
    field(out, "queue", &task.queue, None)?;
    field(out, "function", &task.func, None)?;
    field(out, "priority", task.priority.to_string(), None)?;
    field(out, "seq", task.seq.to_string(), None)?;
    field(out, "attempt", format!("{} of {}", task.attempt, u64::from(task.max_retries) + 1), None)?;
    field(out, "enqueued", moment(task.created_at), None)?;
    field(out, "start at", moment(task.run_at), None)?;
    if let Some(time) = task.claimed_at {
        field(out, "claimed", moment(time), None)?;
    }
    if let Some(time) = task.expires_at {
        field(out, "expires", moment(time), None)?;
    }
    if let Some(timeout) = task.timeout {
        field(out, "timeout", took(timeout), None)?;
    }
    if task.backoff != omniq::Backoff::default() {
        field(out, "backoff", json!(task.backoff).to_string(), None)?;
    }
    for callback in &task.callbacks {
        let ends: Vec<&str> = callback.on.iter().map(|end| end.name()).collect();
        let then =
            format!("{} in queue {}, if it ends as: {}", callback.func, callback.queue, ends.join(", "));
        field(out, "then", then, None)?;
    }
    if let Some(omniq::KeySource::Text(key)) = task.unique.as_ref().map(|unique| &unique.key) {
        field(out, "key", key, None)?;
    }
    show_notes(&task.metadata, out)?;
    show_payload("arguments", &task.payload, out)?;
    task.error.as_ref().map_or(Ok(()), |error| show_error(error, out))
}

/// Prints a result alone, for `omniq results show`.
pub fn show_result(result: &TaskResult, out: &Output) -> Result<()> {
    field(out, "status", result.status.name(), results::tint(result.status))?;
    field(out, "queue", &result.queue, None)?;
    field(out, "function", &result.func, None)?;
    field(out, "worker", result.worker.as_deref().unwrap_or("-"), None)?;
    field(out, "attempt", result.attempt.to_string(), None)?;
    field(out, "finished", moment(result.finished_at), None)?;
    if let Some(started) = result.started_at {
        let ran = result.finished_at.duration_since(started);
        field(out, "took", took(ran.try_into().unwrap_or_default()), None)?;
    }
    if let Some(time) = result.expires_at {
        field(out, "expires", moment(time), None)?;
    }
    show_notes(&result.metadata, out)?;
    if let Some(args) = &result.args {
        show_payload("arguments", args, out)?;
    }
    if let Some(value) = &result.value {
        show_payload("value", value, out)?;
    }
    result.error.as_ref().map_or(Ok(()), |error| show_error(error, out))
}

fn show_notes(metadata: &Map<String, Value>, out: &Output) -> Result<()> {
    if metadata.is_empty() {
        return Ok(());
    }
    field(out, "metadata", Value::Object(metadata.clone()).to_string(), None)
}

fn show_payload(name: &str, payload: &Payload, out: &Output) -> Result<()> {
    field(out, name, shorten(&preview(payload), PREVIEW), None)
}

fn show_error(error: &TaskError, out: &Output) -> Result<()> {
    field(out, "error", format!("{}: {}", error.kind, error.message), Some(Tint::Bad))?;
    let Some(trace) = &error.trace else { return Ok(()) };
    for line in printable_lines(trace).lines() {
        out.line(format!("             {line}"))?;
    }
    Ok(())
}
