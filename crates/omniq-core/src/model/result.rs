//! Results: how a task ended, and its value or error.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits::{check_limit, storable_name};
use super::new_task::check_metadata;
use super::{Codec, Limits, Payload, Task, TaskError, TaskId, check_name};
use crate::{Error, Result, clock};

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResultStatus {
    /// The handler returned a value.
    Completed,
    /// The task failed for good.
    Failed,
    /// The task was cancelled.
    Cancelled,
    /// The task was not started within its time to live.
    Expired,
    /// The task's handler dropped it.
    Discarded,
}

impl ResultStatus {
    /// All statuses.
    pub const ALL: [Self; 5] =
        [Self::Completed, Self::Failed, Self::Cancelled, Self::Expired, Self::Discarded];

    /// The name, as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Discarded => "discarded",
        }
    }
}

impl FromStr for ResultStatus {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|status| status.name()).collect();
            Error::invalid(format!("result status {name:?} is unknown: use one of {}", names.join(", ")))
        })
    }
}

impl fmt::Display for ResultStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The record of a task that has ended. One per task id; storing again replaces it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskResult {
    /// The task.
    pub task_id: TaskId,
    /// How it ended.
    pub status: ResultStatus,
    /// The value that the handler returned, if the task completed.
    pub value: Option<Payload>,
    /// The error of a failed task, or the reason of a discarded one.
    pub error: Option<TaskError>,
    /// The task's queue.
    pub queue: String,
    /// The task's function.
    pub func: String,
    /// The name of the worker of the last run.
    pub worker: Option<String>,
    /// The number of the last run.
    pub attempt: u32,
    /// The task's metadata.
    pub metadata: Map<String, Value>,
    /// When the task was enqueued.
    pub enqueued_at: Option<Timestamp>,
    /// When the last run began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How long the record is kept from when it is stored; `None`: without end.
    pub ttl: Option<Duration>,
    /// When the record expires; set by the storage from `ttl`.
    pub expires_at: Option<Timestamp>,
    /// The task's arguments, if the backend keeps them ([`Backend::with_keep_args`](crate::Backend::with_keep_args)).
    pub args: Option<Payload>,
}

impl Limits {
    /// As [`check_payload`](Self::check_payload), for the value of a result, if it has one.
    pub fn check_result(&self, result: &TaskResult) -> Result<()> {
        result.value.as_ref().map_or(Ok(()), |value| self.check_payload("result", &result.func, value))
    }
}

impl TaskResult {
    /// A record for a task that ended just now with this status; set `value` or `error` by the fields.
    pub fn of(task: &Task, status: ResultStatus) -> Self {
        Self {
            queue: storable_name(&task.queue),
            func: storable_name(&task.func),
            attempt: task.attempt,
            metadata: task.metadata.clone(),
            enqueued_at: Some(task.created_at),
            started_at: task.claimed_at,
            ..Self::new(task.id, status)
        }
    }

    /// A record with only an id, a status and the present time.
    pub fn new(task_id: TaskId, status: ResultStatus) -> Self {
        Self {
            task_id,
            status,
            value: None,
            error: None,
            queue: String::new(),
            func: String::new(),
            worker: None,
            attempt: 0,
            metadata: Map::new(),
            enqueued_at: None,
            started_at: None,
            finished_at: clock::now(),
            ttl: None,
            expires_at: None,
            args: None,
        }
    }

    /// The value that a completed task returned, read from JSON or MessagePack; one that returned none gives what JSON's
    /// `null` gives. Errors: `is_task_failed` if the task did not complete, `is_codec` if the value is of another type; both
    /// texts have the task's id.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        let misfit = |error: Error| {
            let words = error.message();
            Error::codec(format!(
                "the value of task {} ({:?}) cannot be read: {words}",
                self.task_id, self.func
            ))
        };
        match (self.status, &self.value, &self.error) {
            (ResultStatus::Completed, Some(value), _) => value.decode().map_err(misfit),
            (ResultStatus::Completed, None, _) => {
                Payload::new(Codec::Json, &b"null"[..]).decode().map_err(misfit)
            }
            (status, _, Some(error)) => Err(Error::task_failed(format!(
                "task {} {status}: {}: {}",
                self.task_id, error.kind, error.message
            ))),
            (status, _, None) => Err(Error::task_failed(format!("task {} {status}", self.task_id))),
        }
    }

    /// The same in storable form; every store calls it first. Errors (`is_invalid`, `is_codec`): what a storage cannot
    /// hold, such as a bad name, a `ttl` of zero or bad metadata.
    pub fn checked(mut self) -> Result<Self> {
        self.check()?;
        self.error = self.error.map(TaskError::cleaned);
        Ok(self)
    }

    /// The checks of [`checked`](Self::checked).
    pub(super) fn check(&self) -> Result<()> {
        for (what, name) in [
            ("queue name", Some(&self.queue)),
            ("function name", Some(&self.func)),
            ("worker name", self.worker.as_ref()),
        ] {
            // A record that was made without the task has neither queue nor function.
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                check_name(what, name)?;
            }
        }
        for payload in [&self.value, &self.args].into_iter().flatten() {
            payload.codec().name().parse::<Codec>()?;
        }
        if let Some(ttl) = self.ttl {
            check_limit("ttl", ttl)?;
        }
        check_metadata(&self.metadata)
    }
}
