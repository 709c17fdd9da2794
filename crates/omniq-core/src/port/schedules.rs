//! The schedule storage: the interface of a store of schedules, which is part of the queue that their tasks go to.

use std::fmt::Debug;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use omniq_macros::{blocking, layered};

use super::{Location, WorkerSchedules, iterate};
use crate::model::*;
use crate::{Result, verbs};

/// A store of schedules: tasks that are enqueued at set times.
///
/// Each tick enqueues at most one task, however many workers there are, and exactly one if a worker is alive within the time that the
/// schedule's rule for missed ticks allows: the task is enqueued in the transaction that moves the schedule on. Time is the storage's own.
///
/// A schedule stands in the code of an application, which declares it when its workers start, or it is saved at run time by these verbs;
/// [`SavedSchedule::app`] says which. Those of code are paused, resumed and triggered as any other, and changed in the code.
#[layered(SchedulesLayer, SchedulesVerbs)]
#[blocking(BlockingSchedules)]
#[async_trait]
pub trait ScheduleStorage: WorkerSchedules {
    /// Saves a schedule, in place of one of the same name, and returns it as it is stored. Its next tick is computed anew only if its timing,
    /// start, end or number of runs has changed; a paused one stays paused.
    ///
    /// Errors: `is_invalid` for one that does not pass [`Schedule::check`]; `is_conflict` if one of this name stands in the code of an
    /// application.
    async fn save(&self, schedule: Schedule) -> Result<SavedSchedule> {
        verbs::only(self.save_many(vec![schedule]).await?)
    }

    /// Saves schedules, all or none, and returns them in the same order. Error `is_invalid` also for two of one name.
    async fn save_many(&self, schedules: Vec<Schedule>) -> Result<Vec<SavedSchedule>>;

    /// The schedule of this name, or `None`.
    async fn get(&self, name: &str) -> Result<Option<SavedSchedule>>;

    /// The schedules that the filter selects, by name.
    async fn list(&self, filter: &ScheduleFilter) -> Result<Vec<SavedSchedule>>;

    /// All schedules that the filter selects, by name, read a page at a time (the filter's `limit`, or 1,000). The stream ends with the first
    /// error.
    fn iterate(&self, filter: ScheduleFilter) -> BoxStream<'_, Result<SavedSchedule>> {
        iterate::all(filter, async |filter| self.list(&filter).await)
    }

    /// Removes a schedule with its history; tasks that it has enqueued stay. One that stands in code comes back when a worker of that
    /// application starts. Returns whether there was one.
    async fn delete(&self, name: &str) -> Result<bool>;

    /// Stops the ticks of a schedule. It keeps its next tick. Pausing a paused one changes nothing. Error `is_not_found`.
    async fn pause(&self, name: &str) -> Result<()>;

    /// Lets a paused schedule go on with its next tick from now; those that have passed meanwhile are not missed. Error `is_not_found`.
    async fn resume(&self, name: &str) -> Result<()>;

    /// Enqueues the schedule's task now, by hand, and returns its id. The ticks go on as if nothing had been, also if it is paused; the task
    /// has neither jitter nor overlap. Error `is_not_found`.
    async fn trigger(&self, name: &str) -> Result<TaskId>;

    /// The last ticks of a schedule, latest first, at most `limit` and at most 100. Empty if there is no such schedule.
    async fn history(&self, name: &str, limit: u32) -> Result<Vec<Tick>>;

    /// Frees the connections. A second call does nothing; any other verb afterwards fails with `is_closed`.
    async fn close(&self) -> Result<()>;

    /// Where the schedules are kept: where their queue is.
    fn location(&self) -> Location;
}

impl<T: ScheduleStorage + ?Sized> BlockingSchedules<T> {
    /// All schedules that the filter selects; see [`ScheduleStorage::iterate`]. Each page blocks the calling thread.
    pub fn iterate_sync(&self, filter: ScheduleFilter) -> impl Iterator<Item = Result<SavedSchedule>> {
        iterate::all_sync(filter, |filter| self.list_sync(filter))
    }
}
