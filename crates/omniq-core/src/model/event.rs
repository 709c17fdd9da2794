//! What happened to a task, and when.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits::storable_name;
use super::new_task::add_note;
use super::{Task, TaskId, check_name};
use crate::{Error, Result, clock};

/// The kind of an event; its name is what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum EventKind {
    /// The task was enqueued.
    Enqueued,
    /// A run began.
    Started,
    /// The task completed.
    Completed,
    /// The task failed for good.
    Failed,
    /// A run failed; another will follow.
    Retried,
    /// The task was handed back; the attempt does not count.
    Released,
    /// The task was postponed; the attempt does not count.
    Snoozed,
    /// The task was cancelled.
    Cancelled,
    /// The task was not started within its time to live.
    Expired,
    /// The task was dropped by its handler.
    Discarded,
    /// The task's worker was lost; the task was taken back.
    Rescued,
    /// A user-defined kind: 1 to 128 bytes.
    Custom(String),
}

impl EventKind {
    const KNOWN: [Self; 11] = [
        Self::Enqueued,
        Self::Started,
        Self::Completed,
        Self::Failed,
        Self::Retried,
        Self::Released,
        Self::Snoozed,
        Self::Cancelled,
        Self::Expired,
        Self::Discarded,
        Self::Rescued,
    ];

    /// The name, as stored and shown.
    pub fn name(&self) -> &str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Released => "released",
            Self::Snoozed => "snoozed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Discarded => "discarded",
            Self::Rescued => "rescued",
            Self::Custom(name) => name,
        }
    }
}

impl FromStr for EventKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if let Some(known) = Self::KNOWN.into_iter().find(|kind| kind.name() == name) {
            return Ok(known);
        }
        check_name("event kind", name)?;
        Ok(Self::Custom(name.to_owned()))
    }
}

impl TryFrom<String> for EventKind {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<EventKind> for String {
    fn from(kind: EventKind) -> Self {
        kind.name().to_owned()
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One event. Events are only ever added.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskEvent {
    /// The position in the storage's order, assigned by the storage; 0 before.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The task, if the event is about one.
    pub task_id: Option<TaskId>,
    /// The task's queue.
    pub queue: Option<String>,
    /// The task's function.
    pub func: Option<String>,
    /// The worker's name.
    pub worker: Option<String>,
    /// The attempt: the number of the run.
    pub attempt: Option<u32>,
    /// Further values, such as `error` (an object with `type` and `message`) or `delay` (seconds).
    pub data: Map<String, Value>,
    /// Why a value of `data` was refused; [`check`](Self::check) reports it.
    #[doc(hidden)]
    pub refused: Option<String>,
}

impl TaskEvent {
    /// An event of this kind, now, about no task.
    pub fn new(kind: EventKind) -> Self {
        Self {
            id: 0,
            at: clock::now(),
            kind,
            task_id: None,
            queue: None,
            func: None,
            worker: None,
            attempt: None,
            data: Map::new(),
            refused: None,
        }
    }

    /// An event of this kind, now, about this task.
    pub fn of(task: &Task, kind: EventKind) -> Self {
        Self {
            task_id: Some(task.id),
            queue: Some(storable_name(&task.queue)),
            func: Some(storable_name(&task.func)),
            attempt: Some(task.attempt),
            ..Self::new(kind)
        }
    }

    /// Sets the worker's name.
    #[must_use]
    pub fn worker(mut self, worker: impl Into<String>) -> Self {
        self.worker = Some(worker.into());
        self
    }

    /// Adds a value to the data. One that JSON cannot represent, such as NaN, is refused when the event is logged.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        add_note(&mut self.data, &mut self.refused, "event data", key.into(), value);
        self
    }

    /// Error `is_invalid` for a bad name, and for data that JSON or PostgreSQL cannot represent: NaN, NUL characters,
    /// -0.0.
    pub fn check(&self) -> Result<()> {
        check_name("event kind", self.kind.name())?;
        for (what, name) in
            [("queue name", &self.queue), ("function name", &self.func), ("worker name", &self.worker)]
        {
            if let Some(name) = name {
                check_name(what, name)?;
            }
        }
        if let Some(words) = &self.refused {
            return Err(Error::invalid(words.clone()));
        }
        super::limits::check_kept("event data", &self.data)
    }
}
