//! The end of a task, as its callbacks are told of it, and their tasks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Callback, EndKind, NewTask, Outcome, Payload, Task, TaskError, TaskId};

/// The argument of a callback: what has ended, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ended {
    /// The task.
    pub task_id: TaskId,
    /// How it has ended.
    pub kind: EndKind,
    /// Its queue.
    pub queue: String,
    /// The name of its function.
    pub func: String,
    /// The number of the run that has ended, or of the last one before; 0 if there was none.
    pub attempt: u32,
    /// The error of the run, or the reason that was given, without its trace.
    #[serde(default)]
    pub error: Option<TaskError>,
    /// The name of the worker that ran it, or that was lost.
    #[serde(default)]
    pub worker: Option<String>,
    /// When it ended, by the clock of the process that ended it.
    pub at: Timestamp,
    /// The task's metadata.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// The tasks of the callbacks that are for this end.
pub(crate) fn tasks(
    task: &Task,
    outcome: &Outcome,
    error: Option<&TaskError>,
    worker: Option<&str>,
) -> Vec<NewTask> {
    let Some(kind) = kind_of(outcome) else { return Vec::new() };
    let mut called = task.callbacks.iter().filter(|callback| callback.on.contains(&kind)).peekable();
    if called.peek().is_none() {
        return Vec::new();
    }
    let ended = Ended {
        task_id: task.id,
        kind,
        queue: task.queue.clone(),
        func: task.func.clone(),
        attempt: task.attempt,
        error: error.map(|error| TaskError::new(error.kind.clone(), error.message.clone())),
        worker: worker.map(str::to_owned),
        at: Timestamp::now(),
        metadata: task.metadata.clone(),
    };
    match Payload::json(&ended) {
        Ok(payload) => called.map(|callback| task_of(callback, &payload)).collect(),
        // Everything in it was read from JSON before.
        Err(error) => {
            tracing::error!(task = %task.id, %error, "the end of a task cannot be written for its callbacks");
            Vec::new()
        }
    }
}

const fn kind_of(outcome: &Outcome) -> Option<EndKind> {
    match outcome {
        Outcome::Complete => Some(EndKind::Success),
        Outcome::RetryLater { .. } => Some(EndKind::Retry),
        Outcome::Fail { .. } => Some(EndKind::Dead),
        Outcome::Cancel => Some(EndKind::Cancelled),
        Outcome::Discard => Some(EndKind::Discarded),
        Outcome::Expire => Some(EndKind::Expired),
        Outcome::Release | Outcome::Snooze { .. } => None,
    }
}

/// The task of a callback for this end.
fn task_of(callback: &Callback, ended: &Payload) -> NewTask {
    let mut task = NewTask::with_payload(callback.func.clone(), ended.clone()).id(TaskId::new());
    task.queue = callback.queue.clone().into_owned();
    (task.priority, task.max_retries) = (callback.priority, callback.max_retries);
    (task.backoff, task.timeout) = (callback.backoff.clone(), callback.timeout);
    task
}
