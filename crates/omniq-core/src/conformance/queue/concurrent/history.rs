//! A history: each call with its times, and what its answer states.

use super::model::{Fact, Sweep};
use crate::model::*;

/// What an answer states about all tasks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whole {
    Nothing,
    /// All existing tasks are listed: the others were removed.
    Listed,
    /// A verb on all tasks of some kind, and the number of tasks that it counted.
    Swept(Sweep, u64),
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
