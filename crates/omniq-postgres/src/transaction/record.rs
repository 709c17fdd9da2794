//! The records of statements in a transaction of the user, as the functions of the schema read them. Objects within them are text: so they
//! become `jsonb` as they do everywhere else.

use omniq_core::{NewTask, Payload, Result, TaskEvent, TaskId, TaskResult};
use serde::Serialize;

use crate::partitions::step;
use crate::results::kept_args;
use crate::segments::options::Options;
use crate::sql::{hex, json, object, seconds, signed};

/// For `enqueue_in_transaction()`.
#[derive(Debug, Serialize)]
pub(crate) struct Tasks<'a> {
    pub(crate) tasks: Vec<TaskRecord<'a>>,
}

/// A task of [`Tasks`].
#[derive(Debug, Serialize)]
pub(crate) struct TaskRecord<'a> {
    id: String,
    queue: &'a str,
    func: &'a str,
    codec: &'a str,
    priority: i16,
    max_retries: i32,
    run_at: Option<String>,
    delay: Option<f64>,
    ttl: Option<f64>,
    options: Option<String>,
    metadata: Option<String>,
    /// Whether the user chose the id.
    chosen: bool,
    /// For `enqueue_recorded()`, as hexadecimal digits; elsewhere payloads are sent beside the records.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

impl<'a> TaskRecord<'a> {
    /// Of a task that has been checked, with its options as text.
    pub(crate) fn new(id: TaskId, task: &'a NewTask, options: Option<String>) -> Result<Self> {
        Ok(Self {
            id: id.to_string(),
            queue: &task.queue,
            func: &task.func,
            codec: task.payload.codec().name(),
            priority: task.priority,
            max_retries: signed(task.max_retries),
            run_at: task.run_at.map(|time| time.to_string()),
            delay: seconds(task.delay),
            ttl: seconds(task.ttl),
            options,
            metadata: object(&task.metadata)?,
            chosen: task.is_id_chosen(),
            payload: None,
        })
    }

    /// Of a task that no user enqueues, under its id, which is new.
    pub(crate) fn made(task: &'a NewTask) -> Result<Self> {
        let id = task.id.unwrap_or_else(TaskId::new);
        Ok(Self { chosen: false, ..Self::new(id, task, Options::text(task)?)? })
    }

    /// The same with its payload: of a task that a settlement enqueues.
    pub(crate) fn enqueued(task: &'a NewTask) -> Result<Self> {
        Ok(Self { payload: Some(hex(task.payload.bytes())), ..Self::made(task)? })
    }
}

/// For `settle_in_transaction()`.
#[derive(Debug, Serialize)]
pub(crate) struct Batch<'a> {
    pub(crate) keep: bool,
    pub(crate) everything: bool,
    pub(crate) tasks: Vec<HeldTask<'a>>,
}

/// A task of a [`Batch`].
#[derive(Debug, Serialize)]
pub(crate) struct HeldTask<'a> {
    pub(crate) id: String,
    pub(crate) worker: Option<i64>,
    pub(crate) number: Option<i32>,
    pub(crate) outcome: &'static str,
    pub(crate) delay: f64,
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<ResultRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<EventRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) enqueues: Vec<TaskRecord<'a>>,
}

/// For `store_results()`.
#[derive(Debug, Serialize)]
pub(crate) struct Results<'a> {
    pub(crate) results: Vec<ResultRecord<'a>>,
}

/// A result of [`Results`] or of a [`HeldTask`].
#[derive(Debug, Serialize)]
pub(crate) struct ResultRecord<'a> {
    task_id: String,
    status: &'static str,
    codec: Option<&'a str>,
    error: Option<String>,
    queue: &'a str,
    func: &'a str,
    worker: Option<&'a str>,
    attempt: i32,
    metadata: Option<String>,
    enqueued_at: Option<String>,
    started_at: Option<String>,
    finished_at: String,
    ttl: Option<f64>,
    step: Option<f64>,
}

impl<'a> ResultRecord<'a> {
    /// Of a result that has been checked.
    pub(crate) fn new(result: &'a TaskResult) -> Result<Self> {
        let ttl = seconds(result.ttl);
        Ok(Self {
            task_id: result.task_id.to_string(),
            status: result.status.name(),
            codec: result.value.as_ref().map(|value| value.codec().name()),
            error: result.error.as_ref().map(json).transpose()?,
            queue: &result.queue,
            func: &result.func,
            worker: result.worker.as_deref(),
            attempt: signed(result.attempt),
            metadata: kept_args::metadata(result)?,
            enqueued_at: result.enqueued_at.map(|time| time.to_string()),
            started_at: result.started_at.map(|time| time.to_string()),
            finished_at: result.finished_at.to_string(),
            ttl,
            step: ttl.map(step),
        })
    }

    /// The value, which is sent beside the record.
    pub(crate) fn value(result: &TaskResult) -> Option<Vec<u8>> {
        result.value.as_ref().map(Payload::bytes).map(|bytes| bytes.to_vec())
    }
}

/// For `add_events()`.
#[derive(Debug, Serialize)]
pub(crate) struct Events<'a> {
    pub(crate) events: Vec<EventRecord<'a>>,
}

/// An event of [`Events`] or of a [`HeldTask`].
#[derive(Debug, Serialize)]
pub(crate) struct EventRecord<'a> {
    at: String,
    kind: &'a str,
    task_id: Option<String>,
    queue: Option<&'a str>,
    func: Option<&'a str>,
    worker: Option<&'a str>,
    attempt: Option<i32>,
    data: Option<String>,
}

impl<'a> EventRecord<'a> {
    /// Of an event that has been checked.
    pub(crate) fn new(event: &'a TaskEvent) -> Result<Self> {
        Ok(Self {
            at: event.at.to_string(),
            kind: event.kind.name(),
            task_id: event.task_id.map(|id| id.to_string()),
            queue: event.queue.as_deref(),
            func: event.func.as_deref(),
            worker: event.worker.as_deref(),
            attempt: event.attempt.map(signed),
            data: object(&event.data)?,
        })
    }
}
