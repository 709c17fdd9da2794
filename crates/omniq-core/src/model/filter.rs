//! What to list and count.

use jiff::Timestamp;

use super::{EventKind, ResultStatus, TaskId, TaskState};

/// Which tasks; `None` means any. Order: by id, ascending, which for ids made by OmniQ is the order of creation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskFilter {
    /// Of this queue.
    pub queue: Option<String>,
    /// In this state.
    pub state: Option<TaskState>,
    /// Of this function.
    pub func: Option<String>,
    /// Behind this id: the last one of the page before. Ignored by count and purge.
    pub after: Option<TaskId>,
    /// At most so many; `None`: 100. Ignored by count and purge.
    pub limit: Option<u32>,
}

/// Which results; `None` means any. Order: latest `finished_at` first, then by id.
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
    /// Behind this (finished_at, id): the last one of the page before.
    pub after: Option<(Timestamp, TaskId)>,
    /// At most so many; `None`: 100. Ignored by count.
    pub limit: Option<u32>,
}

/// Which events; `None` means any. Order: `id`, ascending, which is the order in which the storage took them.
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
    /// Behind this event: the last one of the page before.
    pub after: Option<i64>,
    /// The last ones instead of the first; the order stays ascending.
    pub latest: bool,
    /// At most so many; `None`: 100. Ignored by count.
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
