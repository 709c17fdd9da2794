//! The tasks that another one runs after, with their results, and tasks that have to end because one of those has.

use std::ops::Deref;

use serde::de::DeserializeOwned;

use super::{Payload, ResultStatus, Task, TaskId, TaskResult};
use crate::{Error, Result};

/// A blocked task that has to end, because one that it waits for has ended otherwise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Broken {
    /// The task.
    pub task: Task,
    /// The one that has not completed.
    pub by: TaskId,
    /// Whether that one is a dead letter; else it has gone.
    pub is_dead: bool,
}

impl Broken {
    /// A task that has to end because of this one.
    pub const fn new(task: Task, by: TaskId, is_dead: bool) -> Self {
        Self { task, by, is_dead }
    }
}

/// A task that another one runs after.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Predecessor {
    /// Its id.
    pub task_id: TaskId,
    /// Its result, if one is kept (still).
    pub result: Option<TaskResult>,
}

impl Predecessor {
    /// A task with its result.
    pub const fn new(task_id: TaskId, result: Option<TaskResult>) -> Self {
        Self { task_id, result }
    }

    /// The value that it has returned. Errors: `is_not_found` if no result is kept, because results are off or it is over; `is_conflict` if the task
    /// has not completed; `is_codec` if the value is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T> {
        let Self { task_id, result } = self;
        match result {
            None => Err(Error::not_found(format!(
                "no result of task {task_id}, which this one runs after, is kept: keep results for longer, by result_ttl"
            ))),
            Some(result) if result.status != ResultStatus::Completed => Err(Error::conflict(format!(
                "task {task_id}, which this one runs after, has the status {} and no value",
                result.status
            ))),
            Some(result) => result.value.as_ref().map_or_else(
                || {
                    Err(Error::not_found(format!(
                        "task {task_id}, which this one runs after, has left no value"
                    )))
                },
                Payload::decode,
            ),
        }
    }
}

/// The tasks that another one runs after, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predecessors(pub Vec<Predecessor>);

impl Predecessors {
    /// The values that they have returned, in this order. Errors as of [`Predecessor::value`].
    pub fn values<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.iter().map(Predecessor::value).collect()
    }
}

impl Deref for Predecessors {
    type Target = [Predecessor];

    fn deref(&self) -> &[Predecessor] {
        &self.0
    }
}
