//! What was seen: each call with its time, and what its answer says of each task.

use crate::model::*;

/// A task as an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) state: TaskState,
    pub(super) attempt: u32,
    pub(super) claim: Option<Claim>,
    pub(super) priority: i16,
    pub(super) value: i64,
}

/// Why a verb was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    Conflict,
}

/// How an update changes a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Value(i64),
    Priority(i16),
    Due,
}

/// What an answer says of one task.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    Added { view: View, expired: bool },
    Seen(Option<View>),
    Claimed(View),
    Settled { claim: Option<Claim>, outcome: Outcome, done: bool },
    Cancelled(Cancelled),
    Deleted(Option<Refusal>),
    Retried(Option<Refusal>),
    Updated(Change, Result<View, Refusal>),
}

/// What an answer says of all tasks.
#[derive(Debug, Clone)]
pub(super) enum Whole {
    Nothing,
    /// All that are there, and what those that are not listed are: gone.
    Listed,
    /// So many tasks that were not running, of this state if one is given, were removed.
    Purged(Option<TaskState>, u64),
}

/// A call that has returned.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) lane: usize,
    /// Times since the history began, in nanoseconds.
    pub(super) begin: u128,
    pub(super) end: u128,
    pub(super) act: String,
    pub(super) facts: Vec<(TaskId, Fact)>,
    pub(super) whole: Whole,
}

/// All that was seen. The first calls add the tasks, the last one lists what is left.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) calls: Vec<Call>,
}

impl History {
    /// All tasks that were ever there, in the order in which they were added.
    pub(super) fn tasks(&self) -> Vec<TaskId> {
        let added = |(id, fact): &(TaskId, Fact)| matches!(fact, Fact::Added { .. }).then_some(*id);
        self.calls.iter().flat_map(|call| call.facts.iter().filter_map(added)).collect()
    }
}
