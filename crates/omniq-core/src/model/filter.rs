//! Filters for lists and counts.

use jiff::Timestamp;

use super::{EventKind, ResultStatus, Task, TaskError, TaskId, TaskResult, TaskState};
use crate::{Error, Result};

/// Selects tasks; a field that is `None` selects any. Order: by id, ascending, which for ids made by OmniQ is the order
/// of creation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskFilter {
    /// Of this queue.
    pub queue: Option<String>,
    /// In this state.
    pub state: Option<TaskState>,
    /// Of this function.
    pub func: Option<String>,
    /// Whose last run failed with an error of this type, such as `ValueError`; with `*` at the end, of a type that begins
    /// so. `*` alone selects every task with an error.
    pub error: Option<String>,
    /// Enqueued at or after this time.
    pub since: Option<Timestamp>,
    /// Enqueued before this time.
    pub until: Option<Timestamp>,
    /// Enqueued before the call of [`last_seq`](crate::TaskQueue::last_seq) that gave this number. Verbs by filter set it
    /// themselves; of tasks that were enqueued in one call, a number of one's own may select all or none.
    pub max_seq: Option<i64>,
    /// After this id, for paging: that of the last task of the previous page. Only lists have pages; other verbs ignore it.
    pub after: Option<TaskId>,
    /// The page size. `None`: 100. Ignored as `after` is.
    pub limit: Option<u32>,
}

impl TaskFilter {
    /// Whether it selects this task, whatever the page; for storages.
    pub fn selects(&self, task: &Task) -> bool {
        self.queue.as_ref().is_none_or(|queue| *queue == task.queue)
            && self.state.is_none_or(|state| state == task.state)
            && self.func.as_ref().is_none_or(|func| *func == task.func)
            && self.error.as_ref().is_none_or(|wanted| is_of(task.error.as_ref(), wanted))
            && self.since.is_none_or(|since| since <= task.created_at)
            && self.until.is_none_or(|until| task.created_at < until)
            && self.max_seq.is_none_or(|max| task.seq <= max)
    }

    /// The same without tasks that were enqueued after the one with this number; for storages. `None` selects the same.
    #[must_use]
    pub fn up_to(&self, last_seq: Option<i64>) -> Self {
        let max_seq = [self.max_seq, last_seq].into_iter().flatten().min();
        Self { max_seq, ..self.clone() }
    }

    /// For a retry of all: dead letters, unless it names scheduled ones. Error `is_invalid` for another state; for storages.
    pub fn for_retry(&self) -> Result<Vec<Self>> {
        use TaskState::{Dead, Scheduled};
        self.in_states(&[Dead, Scheduled], &[Dead], "retried")
    }

    /// For a cancel of all: one filter each for tasks that are blocked, scheduled, ready and running, in the order in which a task
    /// passes through these states. Error `is_invalid` for another state; for storages.
    pub fn for_cancel(&self) -> Result<Vec<Self>> {
        use TaskState::{Blocked, Ready, Running, Scheduled};
        let all = [Blocked, Scheduled, Ready, Running];
        self.in_states(&all, &all, "cancelled")
    }

    /// The passes of a cancel of all: as [`for_cancel`](Self::for_cancel), and once more those for tasks that wait, because a
    /// run may have gone back to them meanwhile.
    pub(crate) fn cancel_passes(&self) -> Result<Vec<Self>> {
        let mut passes = self.for_cancel()?;
        if passes.len() > 1 {
            passes.extend_from_within(..3);
        }
        Ok(passes)
    }

    /// The filter for a verb that changes tasks in the states `possible` only: its own state, or `usual` if it names none.
    /// One filter for each state. Error `is_invalid` for another state; `done` says what the verb would have done.
    fn in_states(&self, possible: &[TaskState], usual: &[TaskState], done: &str) -> Result<Vec<Self>> {
        if let Some(state) = self.state.filter(|state| !possible.contains(state)) {
            let names: Vec<_> = possible.iter().map(|state| state.name()).collect();
            return Err(Error::invalid(format!(
                "state = {state} is refused: a task in this state cannot be {done}; give one of {}, or none",
                names.join(", ")
            )));
        }
        let states = self.state.map_or_else(|| usual.to_vec(), |state| vec![state]);
        Ok(states.into_iter().map(|state| Self { state: Some(state), ..self.clone() }).collect())
    }
}

/// Splits the type of an error in a filter: the type itself, or its beginning.
pub fn error_type(wanted: Option<&String>) -> (Option<&str>, Option<&str>) {
    match wanted.map(|wanted| (wanted, wanted.strip_suffix('*'))) {
        None => (None, None),
        Some((_, Some(start))) => (None, Some(start)),
        Some((wanted, None)) => (Some(wanted), None),
    }
}

fn is_of(error: Option<&TaskError>, wanted: &String) -> bool {
    let Some(error) = error else { return false };
    let (whole, start) = error_type(Some(wanted));
    whole.is_none_or(|whole| whole == error.kind) && start.is_none_or(|start| error.kind.starts_with(start))
}

/// Selects results; a field that is `None` selects any. Order: latest `finished_at` first, of equal ones the greatest
/// id first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResultFilter {
    /// With this status.
    pub status: Option<ResultStatus>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Of this function.
    pub func: Option<String>,
    /// With an error of this type; with `*` at the end, of a type that begins so.
    pub error: Option<String>,
    /// Finished at or after this time.
    pub since: Option<Timestamp>,
    /// Finished before this time.
    pub until: Option<Timestamp>,
    /// After this (finished_at, id) in that order, for paging: that of the last result of the previous page.
    pub after: Option<(Timestamp, TaskId)>,
    /// The page size. `None`: 100. Ignored by count.
    pub limit: Option<u32>,
}

impl ResultFilter {
    /// Whether it selects this result, whatever the page; for storages.
    pub fn selects(&self, result: &TaskResult) -> bool {
        self.status.is_none_or(|status| status == result.status)
            && self.queue.as_ref().is_none_or(|queue| *queue == result.queue)
            && self.func.as_ref().is_none_or(|func| *func == result.func)
            && self.error.as_ref().is_none_or(|wanted| is_of(result.error.as_ref(), wanted))
            && self.since.is_none_or(|since| since <= result.finished_at)
            && self.until.is_none_or(|until| result.finished_at < until)
    }
}

/// Selects events; a field that is `None` selects any. Order: by `id`, ascending, which is the order in which the
/// storage accepted them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventFilter {
    /// About this task.
    pub task_id: Option<TaskId>,
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// Of this queue.
    pub queue: Option<String>,
    /// Of the worker with this name.
    pub worker: Option<String>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// After the event with this `id`, for paging: that of the last event of the previous page.
    pub after: Option<i64>,
    /// Selects the last events instead of the first ones; the order stays ascending.
    pub latest: bool,
    /// The page size. `None`: 100. Ignored by count.
    pub limit: Option<u32>,
}

/// The page size where a filter names none.
pub(crate) const PAGE: u32 = 100;

macro_rules! page_size {
    ($($filter:ty),*) => { $(
        impl $filter {
            /// How many entries a page holds at most.
            pub fn page_size(&self) -> u32 {
                self.limit.unwrap_or(PAGE)
            }
        }
    )* };
}

page_size!(TaskFilter, ResultFilter, EventFilter);
