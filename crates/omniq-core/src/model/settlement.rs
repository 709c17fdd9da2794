//! The end of a run: its claim, its outcome, and the queue's answer.

use std::borrow::Cow;
use std::time::Duration;

use super::{Claim, NewTask, TaskError, TaskEvent, TaskId, TaskResult, Verb, check_delay};
use crate::Result;

/// The outcome of a run, or of a task that no worker held.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Completed: the task leaves the queue, unless the queue keeps completed tasks.
    Complete,
    /// Failed for good: the task becomes a dead letter.
    Fail {
        /// Why.
        error: TaskError,
    },
    /// Failed: the task runs again.
    RetryLater {
        /// The wait before the next run, at most 100 years.
        delay: Duration,
        /// Why, if there was an error.
        error: Option<TaskError>,
    },
    /// Handed back; the attempt does not count.
    Release,
    /// Postponed; the attempt does not count.
    Snooze {
        /// The wait before the next run, at most 100 years.
        delay: Duration,
    },
    /// Cancelled: the task leaves the queue.
    Cancel,
    /// Dropped by its handler: the task leaves the queue.
    Discard,
    /// Not started in time: the task leaves the queue. Holds only for tasks whose time to live has ended.
    Expire,
}

impl Outcome {
    /// The verb of the state machine for this outcome; `held`: a worker holds the task.
    pub const fn verb(&self, held: bool) -> Verb {
        match self {
            Self::Complete => Verb::Complete,
            Self::Fail { .. } if held => Verb::Fail,
            // Of a task that nothing holds only one that waits for others can fail.
            Self::Fail { .. } => Verb::Break,
            Self::RetryLater { .. } => Verb::RetryLater,
            Self::Release => Verb::Release,
            Self::Snooze { .. } => Verb::Snooze,
            Self::Cancel if held => Verb::StopCancelled,
            Self::Cancel => Verb::Cancel,
            Self::Discard => Verb::Discard,
            Self::Expire => Verb::Expire,
        }
    }

    pub(crate) const fn error(&self) -> Option<&TaskError> {
        match self {
            Self::Fail { error } => Some(error),
            Self::RetryLater { error, .. } => error.as_ref(),
            _ => None,
        }
    }
}

/// One task to settle, with everything that is written in the same transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The task.
    pub task_id: TaskId,
    /// The claim that must still hold; `None`: no worker may hold the task.
    pub claim: Option<Claim>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The result to store, if results are on.
    pub result: Option<TaskResult>,
    /// The events to log, if events are on.
    pub events: Vec<TaskEvent>,
    /// The tasks to enqueue, those of callbacks, each with an id that is new. They have been checked.
    pub enqueues: Vec<NewTask>,
}

impl Settlement {
    /// A settlement with nothing beside the outcome.
    pub const fn new(task_id: TaskId, claim: Option<Claim>, outcome: Outcome) -> Self {
        Self { task_id, claim, outcome, result: None, events: Vec::new(), enqueues: Vec::new() }
    }

    /// The same in storable form; every settle calls it first. Errors (`is_invalid`, `is_codec`): a delay of more than
    /// a hundred years, and results and events that cannot be stored.
    pub fn checked(&self) -> Result<Cow<'_, Self>> {
        if let Outcome::RetryLater { delay, .. } | Outcome::Snooze { delay } = &self.outcome {
            check_delay(*delay)?;
        }
        self.result.as_ref().map_or(Ok(()), TaskResult::check)?;
        for event in &self.events {
            event.check()?;
        }
        let mut errors = self
            .outcome
            .error()
            .into_iter()
            .chain(self.result.as_ref().and_then(|result| result.error.as_ref()));
        Ok(if errors.all(TaskError::is_clean) {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(self.clone().cleaned())
        })
    }

    fn cleaned(mut self) -> Self {
        self.outcome = match self.outcome {
            Outcome::RetryLater { delay, error } => {
                Outcome::RetryLater { delay, error: error.map(TaskError::cleaned) }
            }
            Outcome::Fail { error } => Outcome::Fail { error: error.cleaned() },
            other => other,
        };
        if let Some(result) = &mut self.result {
            result.error = result.error.take().map(TaskError::cleaned);
        }
        self
    }
}

/// How a batch is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleMode {
    /// Each by itself: a lost claim is answered with [`Settled::Lost`], a row that another session has locked with
    /// [`Settled::Busy`], and the rest is settled.
    Each,
    /// All or nothing: one lost claim fails the call (`is_claim_lost`) and nothing is written.
    All,
}

/// The answer to one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Written.
    Done,
    /// The claim no longer held; nothing was changed.
    Lost,
    /// The claim holds, but another session has locked the task's row; nothing was changed. The same call can succeed
    /// later.
    Busy,
}

impl Settled {
    /// The answer of a statement in a transaction: whether the claim held.
    pub fn from_held(held: bool) -> Self {
        if held { Self::Done } else { Self::Lost }
    }
}

/// The answer to a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The task was cancelled.
    Done,
    /// The task is running; its worker has been asked to stop it.
    Requested,
    /// No task with this id is waiting or running.
    NotFound,
}

/// The answer to a cancel of all tasks that a filter selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CancelCounts {
    /// Tasks that were cancelled.
    pub done: u64,
    /// Running tasks whose workers have been asked to stop them.
    pub requested: u64,
}

impl CancelCounts {
    /// Counts these answers too.
    pub fn add(&mut self, answers: &[Cancelled]) {
        let number = |wanted| answers.iter().filter(|answer| **answer == wanted).count() as u64;
        self.done += number(Cancelled::Done);
        self.requested += number(Cancelled::Requested);
    }
}
