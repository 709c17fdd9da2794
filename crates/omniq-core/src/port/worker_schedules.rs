//! What workers call on a schedule storage: ticks, and the schedules that stand in their code.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_macros::layered;

use crate::Result;
use crate::model::*;

/// A schedule storage as workers see it.
#[layered(WorkerSchedulesLayer, WorkerSchedulesVerbs)]
#[async_trait]
pub trait WorkerSchedules: Debug + Send + Sync + 'static {
    /// How long until the next tick of any schedule: nothing if one is due, `None` if there is none. `after`: of those after this
    /// time.
    async fn next_tick(&self, after: Option<Timestamp>) -> Result<Option<Duration>>;

    /// The schedules that are due, at most `limit`, first those that have been due longest, of equal ones by name. `after`: behind this
    /// tick and name, which the page before has as `next`.
    async fn due(&self, after: Option<(Timestamp, String)>, limit: u32) -> Result<DueSchedules>;

    /// Carries out ticks, all or none, and returns those that were carried out. Schedules that are not as they were read (another worker was
    /// first, it was paused, or saved anew) are left out. Of each tick, one transaction enqueues its task, moves the schedule on and notes
    /// the tick.
    ///
    /// A tick of a schedule without overlap is skipped while one of its last 20 tasks has not ended.
    async fn tick(&self, batch: &[PlannedTicks]) -> Result<Vec<Tick>>;

    /// Declares the schedules that stand in this worker's code, all of them: saves those that are new or have changed, and removes those of
    /// the application that no live worker of it declares any more. They are declared as long as the worker is registered.
    ///
    /// Errors: those of [`Schedule::check`]; `is_conflict` if a schedule of one of these names was saved at run time, or stands in the code
    /// of another application.
    async fn declare(&self, worker: WorkerId, app: &str, schedules: Vec<Schedule>) -> Result<()>;

    /// Removes what no live worker of their application declares any more, of applications that have live workers; workers call it at
    /// intervals. Returns how many.
    async fn remove_undeclared(&self) -> Result<u64>;
}
