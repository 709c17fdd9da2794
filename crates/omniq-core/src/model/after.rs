//! Dependencies: tasks that run after others have ended.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TaskId;
use crate::{Error, Result};

/// The most tasks that one task can wait for.
pub const MAX_AFTER: usize = 100_000;

/// What becomes of a task if one that it waits for does not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IfFailed {
    /// It shares the fate: after a dead letter it becomes a dead letter, with an error of the type [`PREDECESSOR_FAILED`] that names the other one;
    /// after one that was cancelled, has expired, was discarded or deleted, it is cancelled.
    #[default]
    End,
    /// It runs after any end.
    Run,
}

impl IfFailed {
    /// The name, as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Run => "run",
        }
    }
}

impl FromStr for IfFailed {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "end" => Ok(Self::End),
            "run" => Ok(Self::Run),
            _ => Err(Error::invalid(format!("if_failed = {name:?} is unknown: use end or run"))),
        }
    }
}

/// The type of the error of a task that became a dead letter because one that it waited for did.
pub const PREDECESSOR_FAILED: &str = "predecessor_failed";

/// The tasks that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct After {
    /// Their ids, at most [`MAX_AFTER`], each once. Shared, because many tasks may wait for the same ones.
    pub tasks: Arc<[TaskId]>,
    /// What becomes of it if one of them does not complete.
    pub if_failed: IfFailed,
}

impl After {
    /// After these tasks. One that is named twice counts once.
    pub fn new(tasks: impl IntoIterator<Item = TaskId>) -> Self {
        let mut seen = HashSet::new();
        let tasks = tasks.into_iter().filter(|id| seen.insert(*id)).collect();
        Self { tasks, if_failed: IfFailed::default() }
    }

    /// Sets what becomes of the task if one of them does not complete.
    #[must_use]
    pub fn if_failed(mut self, if_failed: IfFailed) -> Self {
        self.if_failed = if_failed;
        self
    }

    /// Error `is_invalid` for none, or more than [`MAX_AFTER`].
    pub(super) fn check(&self) -> Result<()> {
        match self.tasks.len() {
            0 => Err(Error::invalid(
                "a task is to run after no other: name at least one, or leave `after` out",
            )),
            1..=MAX_AFTER => Ok(()),
            count => Err(Error::invalid(format!(
                "a task is to run after {count} others: at most {MAX_AFTER} are allowed; put a task between them"
            ))),
        }
    }
}
