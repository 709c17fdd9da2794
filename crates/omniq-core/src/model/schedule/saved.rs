//! What a storage knows of a schedule, and of its ticks.

use jiff::{SignedDuration, Timestamp};

use super::Schedule;
use super::timing::whole;
use crate::Result;
use crate::model::TaskId;

/// A schedule in a storage.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SavedSchedule {
    /// Its definition.
    pub schedule: Schedule,
    /// The application in whose code it stands; `None`: it was saved at run time.
    pub app: Option<String>,
    /// Grows with each change of the definition.
    pub version: i32,
    /// When it was saved first.
    pub created_at: Timestamp,
    /// From where its intervals count: its start, or when its timing was last changed.
    pub anchor: Timestamp,
    /// The next tick; `None`: none comes any more. A paused schedule keeps it.
    pub next_at: Option<Timestamp>,
    /// The last tick, whether it was skipped or not; not one by hand.
    pub last_at: Option<Timestamp>,
    /// The last task that it enqueued, or that was enqueued by hand.
    pub last_task: Option<TaskId>,
    /// How many tasks its ticks have enqueued; those by hand do not count.
    pub runs: u64,
    /// Since when it is paused; `None`: it is not.
    pub paused_at: Option<Timestamp>,
}

impl SavedSchedule {
    /// One that was never saved before; for storages.
    pub fn new(schedule: Schedule, app: Option<String>, now: Timestamp) -> Result<Self> {
        let now = whole(now);
        let anchor = schedule.starts_at.map_or(now, whole);
        let mut saved = Self {
            schedule,
            app,
            version: 1,
            created_at: now,
            anchor,
            next_at: None,
            last_at: None,
            last_task: None,
            runs: 0,
            paused_at: None,
        };
        saved.next_at = saved.first_tick(now)?;
        Ok(saved)
    }

    /// The same with another definition, and whether its anchor and next tick count from here on; for storages. The ticks go on as before
    /// unless the timing or the start has changed, and end, or go on, as end and number of runs say.
    pub fn with_definition(&self, schedule: Schedule, now: Timestamp) -> Result<(Self, bool)> {
        if self.schedule == schedule {
            return Ok((self.clone(), false));
        }
        let old = &self.schedule;
        let same_grid = (&old.timing, old.starts_at) == (&schedule.timing, schedule.starts_at);
        let same_end = (old.ends_at, old.max_runs) == (schedule.ends_at, schedule.max_runs);
        let mut saved = Self { schedule, version: self.version.wrapping_add(1), ..self.clone() };
        if same_grid && same_end {
            return Ok((saved, false));
        }
        if !same_grid {
            saved.anchor = saved.schedule.starts_at.map_or(whole(now), whole);
        }
        // A tick that is due is carried out, unless it is beyond the end.
        let kept =
            self.next_at.filter(|tick| same_grid && saved.is_in_time(*tick) && !saved.has_run_enough());
        saved.next_at = match kept {
            Some(next) => Some(next),
            None => saved.first_tick(self.last_at.map_or(now, |last| last.max(now)))?,
        };
        Ok((saved, true))
    }

    /// The first ticks at or after this time, at most `limit`: what a schedule that is not paused would do.
    pub fn upcoming(&self, from: Timestamp, limit: usize) -> Result<Vec<Timestamp>> {
        let grid = self.schedule.timing.grid(self.anchor)?;
        let before = from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(from);
        let mut next = match self.next_at {
            Some(next) if next >= from => Some(next),
            Some(_) => self.tick_after(before)?,
            None => None,
        };
        let left = self.schedule.max_runs.map_or(u64::MAX, |most| most.saturating_sub(self.runs));
        let limit = limit.min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut ticks = Vec::new();
        while let Some(tick) = next.filter(|tick| ticks.len() < limit && self.is_in_time(*tick)) {
            ticks.push(tick);
            next = grid.after(tick);
        }
        Ok(ticks)
    }

    /// The first tick after this time, if there is one; for storages, when the schedule is resumed.
    pub fn tick_after(&self, time: Timestamp) -> Result<Option<Timestamp>> {
        let before = |start: Timestamp| whole(start).checked_sub(SignedDuration::from_nanos(1)).ok();
        let start = self.schedule.starts_at.and_then(before);
        let from = start.map_or(time, |start| start.max(time));
        let next = self.schedule.timing.grid(self.anchor)?.after(from);
        Ok(next.filter(|tick| self.is_in_time(*tick) && !self.has_run_enough()))
    }

    /// The time of a tick by hand at this moment; for storages.
    #[doc(hidden)]
    #[must_use]
    pub fn tick_by_hand(&self, now: Timestamp) -> Timestamp {
        whole(now)
    }

    /// One point in time counts even if it has passed, unless it was carried out: the rule for missed ticks says what becomes of it.
    fn first_tick(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        match self.schedule.timing {
            super::Timing::At(time) => {
                let is_open = |tick: &Timestamp| {
                    self.is_in_time(*tick) && self.last_at != Some(*tick) && !self.has_run_enough()
                };
                Ok(Some(whole(time)).filter(is_open))
            }
            _ => self.tick_after(now),
        }
    }

    pub(super) fn is_in_time(&self, tick: Timestamp) -> bool {
        self.schedule.ends_at.is_none_or(|end| tick <= end)
            && self.schedule.starts_at.is_none_or(|start| tick >= whole(start))
    }

    pub(super) fn has_run_enough(&self) -> bool {
        self.schedule.max_runs.is_some_and(|most| self.runs >= most)
    }
}

/// A tick that has been. A storage keeps the last hundred of each schedule.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tick {
    /// The schedule.
    pub schedule: String,
    /// Its time; of one by hand, when it was.
    pub at: Timestamp,
    /// Whether it was by hand ([`trigger`](crate::ScheduleStorage::trigger)).
    pub manual: bool,
    /// The task that it enqueued; `None`: it was skipped.
    pub task_id: Option<TaskId>,
    /// Why it was skipped: `missed`, `overlap`, or `unique` if another task holds the key of its task.
    pub skipped: Option<String>,
}

impl Tick {
    /// A tick that has enqueued this task, or was skipped for this reason; for storages.
    pub fn new(
        schedule: impl Into<String>,
        at: Timestamp,
        manual: bool,
        enqueued: Result<TaskId, &str>,
    ) -> Self {
        let skipped = enqueued.as_ref().err().map(|why| (*why).to_owned());
        Self { schedule: schedule.into(), at, manual, task_id: enqueued.ok(), skipped }
    }
}

/// Selects schedules; a field that is `None` selects any. Order: by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScheduleFilter {
    /// Of the code of this application.
    pub app: Option<String>,
    /// Whose tasks are of this function.
    pub func: Option<String>,
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// After this name, for paging: that of the last schedule of the previous page.
    pub after: Option<String>,
    /// The page size. `None`: 100.
    pub limit: Option<u32>,
}

impl ScheduleFilter {
    /// Whether it selects this schedule, whatever the page; for storages.
    pub fn selects(&self, saved: &SavedSchedule) -> bool {
        self.app.as_ref().is_none_or(|app| saved.app.as_ref() == Some(app))
            && self.func.as_ref().is_none_or(|func| *func == saved.schedule.task.func)
            && self.paused.is_none_or(|paused| paused == saved.paused_at.is_some())
    }

    /// The size of a page.
    pub fn page_size(&self) -> u32 {
        self.limit.unwrap_or(100)
    }
}

/// The schedules that are due, and the storage's time.
#[derive(Debug, Clone, PartialEq)]
pub struct DueSchedules {
    /// The time by the storage's clock.
    pub now: Timestamp,
    /// The schedules, those that have been due longest first.
    pub schedules: Vec<SavedSchedule>,
    /// The names of those that this program cannot read, each with the reason.
    pub unreadable: Vec<(String, String)>,
    /// Where the next page goes on; `None`: this is the last one.
    pub next: Option<(Timestamp, String)>,
}
