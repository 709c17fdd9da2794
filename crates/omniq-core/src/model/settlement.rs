//! The end of a run: who held it, what came of it, and what the queue answered.

use std::time::Duration;

use super::{DatabaseId, TaskError, TaskEvent, TaskId, TaskResult, Verb, WorkerId, check_delay};
use crate::Result;

/// The hold of a worker on a task. `number` grows with every claim of the task, so that a finish from an earlier
/// claim, even by the same worker, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Who holds it.
    pub worker: WorkerId,
    /// Which claim of the task this is, from 1.
    pub number: u32,
}

/// A statement that completes a task once it is carried out in a transaction: `$1` is text, `$2` bytes or null. It answers with one
/// row: the name of the database that the connection leads to, and null if that is not the queue's; it has done nothing then.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The statement.
    pub sql: String,
    /// `$1`.
    pub run: String,
    /// `$2`.
    pub value: Option<Vec<u8>>,
    /// Where the connection must lead to.
    pub database: DatabaseId,
}

/// What came of a run, or of a task that no worker held.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Done: the task leaves the queue.
    Complete,
    /// Failed for good: the task becomes a dead letter.
    Fail {
        /// Why.
        error: TaskError,
    },
    /// Failed, runs again.
    RetryLater {
        /// After this wait.
        delay: Duration,
        /// Why, if there was an error.
        error: Option<TaskError>,
    },
    /// Handed back, the attempt not counted.
    Release,
    /// Put off, the attempt not counted.
    Snooze {
        /// For so long.
        delay: Duration,
    },
    /// Withdrawn: the task leaves the queue.
    Cancel,
    /// Dropped by its handler: the task leaves the queue.
    Discard,
    /// Not started in time: the task leaves the queue. Holds only for tasks whose time to live has ended.
    Expire,
}

impl Outcome {
    /// The verb of the state machine that this is; `held`: a worker holds the task.
    pub const fn verb(&self, held: bool) -> Verb {
        match self {
            Self::Complete => Verb::Complete,
            Self::Fail { .. } => Verb::Fail,
            Self::RetryLater { .. } => Verb::RetryLater,
            Self::Release => Verb::Release,
            Self::Snooze { .. } => Verb::Snooze,
            Self::Cancel if held => Verb::StopCancelled,
            Self::Cancel => Verb::Cancel,
            Self::Discard => Verb::Discard,
            Self::Expire => Verb::Expire,
        }
    }
}

/// One task to be settled, with all that is to be written in the same breath.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The task.
    pub task_id: TaskId,
    /// The claim that must still hold; `None`: no worker may hold the task.
    pub claim: Option<Claim>,
    /// What came of it.
    pub outcome: Outcome,
    /// The result to store, if results are on.
    pub result: Option<TaskResult>,
    /// The events to log, if events are on.
    pub events: Vec<TaskEvent>,
}

impl Settlement {
    /// The same, fit to be stored; every settle calls it first. Refuses (`is_invalid`, `is_codec`) a delay of more than a
    /// hundred years, and results and events that could not be stored.
    pub fn checked(mut self) -> Result<Self> {
        match &mut self.outcome {
            Outcome::RetryLater { delay, error } => {
                check_delay(*delay)?;
                *error = error.take().map(TaskError::cleaned);
            }
            Outcome::Snooze { delay } => check_delay(*delay)?,
            Outcome::Fail { error } => *error = error.clone().cleaned(),
            _ => {}
        }
        self.result = self.result.map(TaskResult::checked).transpose()?;
        for event in &self.events {
            event.check()?;
        }
        Ok(self)
    }
}

/// How a batch is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleMode {
    /// Each by itself: what is lost is answered with [`Settled::Lost`], what others hold with
    /// [`Settled::Busy`], and the rest is done.
    Each,
    /// All or nothing: one lost claim fails the call (`is_claim_lost`) and nothing is written.
    All,
}

/// What became of one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Written.
    Done,
    /// The claim no longer held; nothing was changed.
    Lost,
    /// The claim holds, but another session holds the task's row by a lock; nothing was changed. The same call can succeed later.
    Busy,
}

/// What a cancel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The task was withdrawn.
    Done,
    /// The task is running; its worker has been asked to stop it.
    Requested,
    /// There is no such task waiting or running.
    NotFound,
}
