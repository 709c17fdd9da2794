//! The states of a task and the verbs that lead from one to another; `docs/states.md` says the same in prose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskState {
    /// Waits for other tasks to end.
    Blocked,
    /// Waits for its start time (first run, retry or snooze).
    Scheduled,
    /// May be claimed.
    Ready,
    /// Held by a worker.
    Running,
    /// Failed for good; stays as a dead letter until it is retried, deleted or purged.
    Dead,
    /// Completed. Kept in the queue only if the queue was set to keep completed tasks.
    Completed,
    /// Cancelled before its end. Not kept.
    Cancelled,
    /// Not started within its time to live. Not kept.
    Expired,
    /// Dropped by its handler. Not kept.
    Discarded,
}

/// The verbs: what can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// The tasks that it waits for have ended.
    Unblock,
    /// A task that it waits for has failed for good.
    Break,
    /// Its start time comes.
    Due,
    /// A worker claims it.
    Dequeue,
    /// Its worker reports success.
    Complete,
    /// Its worker reports failure and no retry is left.
    Fail,
    /// Its worker reports failure and it will run again later.
    RetryLater,
    /// Its worker hands it back; the attempt does not count.
    Release,
    /// Its worker postpones it; the attempt does not count.
    Snooze,
    /// Its worker drops it.
    Discard,
    /// Its worker was lost and a retry is left.
    Rescue,
    /// Its worker was lost and no retry is left.
    RescueLast,
    /// A user cancels it. A running task is only asked to stop.
    Cancel,
    /// Its worker stops it because it was asked to.
    StopCancelled,
    /// A user makes it run again, or at once.
    Retry,
    /// A user removes it.
    Delete,
    /// Its time to live ends before it is claimed.
    Expire,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Verb; 17] = [
        Verb::Unblock,
        Verb::Break,
        Verb::Due,
        Verb::Dequeue,
        Verb::Complete,
        Verb::Fail,
        Verb::RetryLater,
        Verb::Release,
        Verb::Snooze,
        Verb::Discard,
        Verb::Rescue,
        Verb::RescueLast,
        Verb::Cancel,
        Verb::StopCancelled,
        Verb::Retry,
        Verb::Delete,
        Verb::Expire,
    ];
}

/// The effect of a verb on a task in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The task is in this state afterwards.
    To(TaskState),
    /// The task is removed without a final state.
    Gone,
    /// The verb is refused, or has no effect.
    No,
}

impl TaskState {
    /// All states.
    pub const ALL: [TaskState; 9] = [
        TaskState::Blocked,
        TaskState::Scheduled,
        TaskState::Ready,
        TaskState::Running,
        TaskState::Dead,
        TaskState::Completed,
        TaskState::Cancelled,
        TaskState::Expired,
        TaskState::Discarded,
    ];

    /// The state transition table: the effect of the verb on a task in this state.
    pub const fn after(self, verb: Verb) -> Step {
        use Step::{Gone, No, To};
        use TaskState::*;
        match (self, verb) {
            // Due at once, if its start time has come.
            (Blocked, Verb::Unblock) => To(Scheduled),
            (Blocked, Verb::Break) => To(Dead),
            (Blocked, Verb::Cancel) => To(Cancelled),

            (Scheduled, Verb::Due) => To(Ready),
            (Ready, Verb::Dequeue) => To(Running),

            (Running, Verb::Complete) => To(Completed),
            (Running, Verb::Fail | Verb::RescueLast) => To(Dead),
            (Running, Verb::RetryLater | Verb::Snooze) => To(Scheduled),
            (Running, Verb::Release | Verb::Rescue) => To(Ready),
            (Running, Verb::Discard) => To(Discarded),
            (Running, Verb::StopCancelled) => To(Cancelled),
            // The request is recorded; the state changes when the worker stops the run.
            (Running, Verb::Cancel) => To(Running),

            (Scheduled | Ready, Verb::Cancel) => To(Cancelled),
            (Scheduled | Ready, Verb::Expire) => To(Expired),
            (Scheduled | Dead, Verb::Retry) => To(Ready),
            (Ready, Verb::Retry) => To(Ready),

            (Blocked | Scheduled | Ready | Dead | Completed, Verb::Delete) => Gone,
            _ => No,
        }
    }

    /// Whether the task has ended: only a user's verb can change or remove it.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Blocked | Self::Scheduled | Self::Ready | Self::Running)
    }

    /// The name, as stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Discarded => "discarded",
        }
    }
}

impl FromStr for TaskState {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|state| state.name()).collect();
            Error::invalid(format!("state {name:?} is unknown: use one of {}", names.join(", ")))
        })
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
