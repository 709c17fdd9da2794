//! A history: each call with its times, and what its answer states about each task.

use crate::model::*;

/// A task as an answer describes it.
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

/// What an answer states about one task.
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

/// What an answer states about all tasks.
#[derive(Debug, Clone)]
pub(super) enum Whole {
    Nothing,
    /// All existing tasks are listed: the others were removed.
    Listed,
    /// This number of tasks that were not running, of this state if one is given, were removed.
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

/// All calls. The first ones add the tasks, the last one lists what is left.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) calls: Vec<Call>,
}

impl History {
    /// All tasks that were ever added, in that order.
    pub(super) fn tasks(&self) -> Vec<TaskId> {
        let added = |(id, fact): &(TaskId, Fact)| matches!(fact, Fact::Added { .. }).then_some(*id);
        self.calls.iter().flat_map(|call| call.facts.iter().filter_map(added)).collect()
    }
}
