//! Schedules: tasks that are enqueued at set times. Which times those are is in `timing`, what a worker does when one has come in `plan`.

mod local_time;
mod plan;
mod saved;
#[cfg(test)]
mod tests;
mod timing;

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::limits::{check_duration, check_limit};
use super::{Limits, NewTask, OnConflict, check_name};
use crate::{Error, Result};

pub use plan::{PlannedTick, PlannedTicks};
pub use saved::{DueSchedules, SavedSchedule, ScheduleFilter, Tick};
pub use timing::Timing;

/// The keys that a schedule adds to the metadata of its tasks: its name, and the time of the tick.
pub(crate) const TICK_KEYS: [&str; 2] = ["schedule", "tick"];
/// The most missed ticks that are made up for.
const MAX_MISSED: u32 = 10_000;

/// What becomes of ticks that are later than the schedule's grace, as after a time without workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Missed {
    /// None of them is made up for.
    Skip,
    /// One task, for the latest of them.
    #[default]
    Once,
    /// A task for each of them, at most for this many of the latest: 1 to 10,000.
    All(u32),
}

/// A task that is enqueued at set times. [`SavedSchedule`] is what a storage knows of it.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{NewTask, Schedule, Timing};
/// # fn main() -> omniq_core::Result<()> {
/// let timing = Timing::cron("30 2 * * *", "Europe/Berlin")?;
/// let nightly = Schedule::new("close_books", timing, NewTask::new("close_books", &())?)?.overlap(false);
/// assert!(nightly.check(&Default::default()).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name, by which it is found and replaced: 1 to 128 bytes.
    pub name: String,
    /// When it fires.
    pub timing: Timing,
    /// What it enqueues. Its delay counts from the tick. It has neither an id nor a start time, and its metadata not the
    /// keys `schedule` and `tick`, which each task gets: the schedule's name, and the time of the tick.
    pub task: NewTask,
    /// What becomes of missed ticks. Default: [`Missed::Once`].
    pub missed: Missed,
    /// How late a tick may be before it is missed: 1 second to 100 years. Default: a minute.
    pub grace: Duration,
    /// Each task is delayed by a random time of up to this span; the ticks are not. Default: none.
    pub jitter: Option<Duration>,
    /// Whether a tick enqueues a task while one of an earlier tick has not ended. If not, the tick is skipped. Default: true.
    pub overlap: bool,
    /// How many tasks it enqueues before it ends; skipped ticks do not count. Default: no end.
    pub max_runs: Option<u64>,
    /// No tick is before this time. Intervals count from it. Default: from when it is saved.
    pub starts_at: Option<Timestamp>,
    /// No tick is after this time. Default: no end.
    pub ends_at: Option<Timestamp>,
}

impl Schedule {
    /// A schedule with the defaults. Errors: those of [`check`](Self::check) for name and timing.
    pub fn new(name: impl Into<String>, timing: Timing, task: NewTask) -> Result<Self> {
        let name = name.into();
        check_name("schedule name", &name)?;
        timing.check()?;
        Ok(Self {
            name,
            timing,
            task,
            missed: Missed::default(),
            grace: Duration::from_secs(60),
            jitter: None,
            overlap: true,
            max_runs: None,
            starts_at: None,
            ends_at: None,
        })
    }

    /// Sets what becomes of missed ticks.
    #[must_use]
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Sets how late a tick may be before it is missed.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the longest random delay of its tasks.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets whether a tick enqueues a task while an earlier one has not ended.
    #[must_use]
    pub fn overlap(mut self, overlap: bool) -> Self {
        self.overlap = overlap;
        self
    }

    /// Sets how many tasks it enqueues before it ends.
    #[must_use]
    pub fn max_runs(mut self, runs: u64) -> Self {
        self.max_runs = Some(runs);
        self
    }

    /// Sets its first possible tick, from which intervals count.
    #[must_use]
    pub fn starts_at(mut self, time: Timestamp) -> Self {
        self.starts_at = Some(time);
        self
    }

    /// Sets its last possible tick.
    #[must_use]
    pub fn ends_at(mut self, time: Timestamp) -> Self {
        self.ends_at = Some(time);
        self
    }

    /// Checks everything that can be checked before it is saved; every storage calls it first. Error `is_invalid` for a value
    /// outside its bounds, a cron expression or time zone that cannot be read, a cron expression that never fires, and a task
    /// with an id, a start time, or one of the metadata keys that its tasks get.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        check_name("schedule name", &self.name)?;
        self.timing.check()?;
        let of = |what: &str| format!("schedule {:?}: {what}", self.name);
        let refused = |what: String| Err(Error::invalid(of(&what)));
        if let Missed::All(most) = self.missed
            && !(1..=MAX_MISSED).contains(&most)
        {
            return refused(format!("missed = all({most}) is refused: give 1 to {MAX_MISSED}"));
        }
        check_duration("grace", self.grace)?;
        if self.grace < Duration::from_secs(1) {
            let grace = self.grace.as_secs_f64();
            return refused(format!("grace = {grace} seconds is refused: give at least 1 second"));
        }
        if let Some(jitter) = self.jitter {
            check_limit("jitter", jitter)?;
        }
        if self.max_runs.is_some_and(|most| !(1..=i64::MAX.cast_unsigned()).contains(&most)) {
            return refused("max_runs = 0 is refused: give at least 1, or none for no end".to_owned());
        }
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at)
            && end < start
        {
            return refused(format!(
                "it ends at {end} and starts at {start}: give an end that is not before the start"
            ));
        }
        if self.task.after.is_some() {
            return refused(
                "its task is to run after others: leave `after` out, as each tick makes a task that starts by its time".to_owned(),
            );
        }
        if let Some(id) = self.task.id {
            return refused(format!(
                "its task has the id {id}: leave it out, as each tick makes a task of its own"
            ));
        }
        if let Some(time) = self.task.run_at {
            return refused(format!(
                "its task has run_at = {time}: leave it out, or give a delay, which counts from the tick"
            ));
        }
        if self.task.unique.as_ref().is_some_and(|unique| unique.on_conflict == OnConflict::Error) {
            return refused(
                "its task has on_conflict = error, which would fail the tick: give skip, replace or reschedule"
                    .to_owned(),
            );
        }
        if let Some(key) = TICK_KEYS.iter().find(|key| self.task.metadata.contains_key(**key)) {
            return refused(format!(
                "its task has the metadata {key:?}, which each tick sets: take another key"
            ));
        }
        // With what each tick adds.
        let task = self.task_by_hand(Timestamp::MAX);
        task.check(limits).map_err(|error| error.context(of("its task cannot be enqueued")))
    }

    /// Checks schedules that are saved together. Errors as for [`check`](Self::check), and `is_invalid` for two of one name; for storages.
    #[doc(hidden)]
    pub fn check_all(schedules: &[Self], limits: &Limits) -> Result<()> {
        let mut names = HashSet::with_capacity(schedules.len());
        for schedule in schedules {
            schedule.check(limits)?;
            if !names.insert(&schedule.name) {
                let name = &schedule.name;
                return Err(Error::invalid(format!(
                    "two schedules have the name {name:?}: give each its own"
                )));
            }
        }
        Ok(())
    }

    /// The task of a tick by hand; for storages.
    #[doc(hidden)]
    #[must_use]
    pub fn task_by_hand(&self, tick: Timestamp) -> NewTask {
        self.task.clone().metadata(TICK_KEYS[0], &self.name).metadata(TICK_KEYS[1], tick.to_string())
    }

    /// The task of a tick. What it is delayed by counts from the tick, however late that is carried out.
    fn task_at(&self, tick: Timestamp) -> NewTask {
        let task = self.task_by_hand(tick);
        let jitter = self.jitter.map(|jitter| jitter.mul_f64(rand::random_range(0.0..1.0)));
        match task.delay.unwrap_or_default().saturating_add(jitter.unwrap_or_default()) {
            Duration::ZERO => task,
            delay => task.run_at(tick.saturating_add(delay).unwrap_or(Timestamp::MAX)),
        }
    }
}
