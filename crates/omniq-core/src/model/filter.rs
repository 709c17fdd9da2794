//! Filters for lists and counts.

use jiff::Timestamp;

use super::{EventKind, ResultStatus, TaskId, TaskState};

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
    /// After this id, for paging: that of the last task of the previous page. Ignored by count and purge.
    pub after: Option<TaskId>,
    /// The page size. `None`: 100. Ignored by count and purge.
    pub limit: Option<u32>,
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
    /// Finished at or after this time.
    pub since: Option<Timestamp>,
    /// After this (finished_at, id) in that order, for paging: that of the last result of the previous page.
    pub after: Option<(Timestamp, TaskId)>,
    /// The page size. `None`: 100. Ignored by count.
    pub limit: Option<u32>,
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
