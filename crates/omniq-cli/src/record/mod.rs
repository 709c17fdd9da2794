//! Tasks, results and events as JSON documents. Their fields are part of the command's interface.

mod payload;
mod schedule;

use omniq::{
    Backoff, Callback, KeySource, QueueStats, RegisteredWorker, Task, TaskError, TaskEvent, TaskId,
    TaskResult,
};
use serde::Serialize;
use serde_json::{Map, Value};

pub use payload::{PayloadRecord, compact, preview};
pub use schedule::{ScheduleRecord, TickRecord};

#[derive(Debug, Serialize)]
pub struct TaskRecord<'a> {
    id: TaskId,
    seq: i64,
    queue: &'a str,
    func: &'a str,
    state: &'static str,
    priority: i16,
    attempt: u32,
    max_retries: u32,
    run_at: String,
    expires_at: Option<String>,
    created_at: String,
    claimed_at: Option<String>,
    timeout: Option<f64>,
    backoff: &'a Backoff,
    payload: PayloadRecord,
    metadata: &'a Map<String, Value>,
    callbacks: &'a [Callback],
    /// The key of a task that is unique.
    key: Option<&'a str>,
    error: Option<&'a TaskError>,
}

impl<'a> From<&'a Task> for TaskRecord<'a> {
    fn from(task: &'a Task) -> Self {
        Self {
            id: task.id,
            seq: task.seq,
            queue: &task.queue,
            func: &task.func,
            state: task.state.name(),
            priority: task.priority,
            attempt: task.attempt,
            max_retries: task.max_retries,
            run_at: task.run_at.to_string(),
            expires_at: task.expires_at.map(|time| time.to_string()),
            created_at: task.created_at.to_string(),
            claimed_at: task.claimed_at.map(|time| time.to_string()),
            timeout: task.timeout.map(|timeout| timeout.as_secs_f64()),
            backoff: &task.backoff,
            payload: PayloadRecord::from(&task.payload),
            metadata: &task.metadata,
            callbacks: &task.callbacks,
            key: task.unique.as_ref().and_then(|unique| match &unique.key {
                KeySource::Text(key) => Some(key.as_str()),
                _ => None,
            }),
            error: task.error.as_ref(),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct ResultRecord<'a> {
    task_id: TaskId,
    status: &'static str,
    queue: &'a str,
    func: &'a str,
    worker: Option<&'a str>,
    attempt: u32,
    value: Option<PayloadRecord>,
    args: Option<PayloadRecord>,
    error: Option<&'a TaskError>,
    metadata: &'a Map<String, Value>,
    enqueued_at: Option<String>,
    started_at: Option<String>,
    finished_at: String,
    expires_at: Option<String>,
}

impl<'a> From<&'a TaskResult> for ResultRecord<'a> {
    fn from(result: &'a TaskResult) -> Self {
        Self {
            task_id: result.task_id,
            status: result.status.name(),
            queue: &result.queue,
            func: &result.func,
            worker: result.worker.as_deref(),
            attempt: result.attempt,
            value: result.value.as_ref().map(PayloadRecord::from),
            args: result.args.as_ref().map(PayloadRecord::from),
            error: result.error.as_ref(),
            metadata: &result.metadata,
            enqueued_at: result.enqueued_at.map(|time| time.to_string()),
            started_at: result.started_at.map(|time| time.to_string()),
            finished_at: result.finished_at.to_string(),
            expires_at: result.expires_at.map(|time| time.to_string()),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct EventRecord<'a> {
    id: i64,
    at: String,
    kind: &'a str,
    task_id: Option<TaskId>,
    queue: Option<&'a str>,
    func: Option<&'a str>,
    worker: Option<&'a str>,
    attempt: Option<u32>,
    data: &'a Map<String, Value>,
}

impl<'a> From<&'a TaskEvent> for EventRecord<'a> {
    fn from(event: &'a TaskEvent) -> Self {
        Self {
            id: event.id,
            at: event.at.to_string(),
            kind: event.kind.name(),
            task_id: event.task_id,
            queue: event.queue.as_deref(),
            func: event.func.as_deref(),
            worker: event.worker.as_deref(),
            attempt: event.attempt,
            data: &event.data,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct QueueRecord<'a> {
    name: &'a str,
    paused: bool,
    ready: u64,
    scheduled: u64,
    running: u64,
    dead: u64,
    completed: u64,
    blocked: u64,
}

impl<'a> From<&'a QueueStats> for QueueRecord<'a> {
    fn from(queue: &'a QueueStats) -> Self {
        let QueueStats { name, paused, ready, scheduled, running, dead, completed, blocked } = queue;
        Self {
            name,
            paused: *paused,
            ready: *ready,
            scheduled: *scheduled,
            running: *running,
            dead: *dead,
            completed: *completed,
            blocked: *blocked,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct WorkerRecord<'a> {
    id: i64,
    name: &'a str,
    host: &'a str,
    version: &'a str,
    queues: &'a [String],
    functions: &'a [String],
    slots: Option<u32>,
    used: Option<u32>,
    lease: f64,
    since: String,
    lease_ends_at: String,
    lost: bool,
}

impl<'a> From<&'a RegisteredWorker> for WorkerRecord<'a> {
    fn from(worker: &'a RegisteredWorker) -> Self {
        let info = &worker.info;
        Self {
            id: worker.id.0,
            name: &info.name,
            host: &info.host,
            version: &info.version,
            queues: &info.queues,
            functions: &info.funcs,
            slots: info.slots,
            used: worker.used,
            lease: info.lease.as_secs_f64(),
            since: worker.started_at.to_string(),
            lease_ends_at: worker.lease_ends_at.to_string(),
            lost: worker.lost,
        }
    }
}

/// One record for each item.
pub fn all<'a, T, R: From<&'a T>>(items: &'a [T]) -> Vec<R> {
    items.iter().map(R::from).collect()
}
