//! What a worker does with a schedule that is due: which of its ticks have passed, which are made up for, and when the next one is. It is
//! computed without a lock; the storage carries it out only if the schedule is still as it was read.

use jiff::{SignedDuration, Timestamp};

use super::{MAX_MISSED, Missed, SavedSchedule};
use crate::Result;
use crate::model::{CALL_BYTES, NewTask, TaskId};

/// The most ticks of one plan, fewer if the arguments are large; those that are left are the next plan.
const MOST: usize = 100;

/// The ticks of one schedule, to be carried out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlannedTicks {
    /// The schedule.
    pub name: String,
    /// The tick that was due when the schedule was read.
    pub due: Timestamp,
    /// The version of its definition that was read, and when the schedule was saved first: one of the same name that was deleted and saved
    /// anew is another one.
    pub version: i32,
    /// See `version`.
    pub created_at: Timestamp,
    /// The ticks, in their order; at most one of them is skipped as missed.
    pub ticks: Vec<PlannedTick>,
    /// The tick after them.
    pub next_at: Option<Timestamp>,
}

/// A tick of [`PlannedTicks`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlannedTick {
    /// Its time.
    pub at: Timestamp,
    /// Its task, with an id; `None`: it was missed, and is not made up for.
    pub task: Option<NewTask>,
}

impl PlannedTicks {
    /// The bytes of its tasks' arguments.
    pub(crate) fn bytes(&self) -> usize {
        let tasks = self.ticks.iter().filter_map(|tick| tick.task.as_ref());
        tasks.map(|task| task.payload.bytes().len()).sum()
    }
}

impl SavedSchedule {
    /// The ticks that have passed by this time; for workers. `None` if none has.
    pub fn plan(&self, now: Timestamp) -> Result<Option<PlannedTicks>> {
        let Some(due) = self.next_at.filter(|due| *due <= now && self.paused_at.is_none()) else {
            return Ok(None);
        };
        let grid = self.schedule.timing.grid(self.anchor)?;
        let grace = SignedDuration::try_from(self.schedule.grace).unwrap_or(SignedDuration::MAX);
        // What is before this time was missed.
        let late = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        let (mut ticks, mut next) = (Vec::new(), Some(due));
        if due < late {
            let until = match self.schedule.ends_at {
                Some(end) => late.min(end.checked_add(SignedDuration::from_nanos(1)).unwrap_or(end)),
                None => late,
            };
            let last = grid.before(until).map_or(due, |last| last.max(due));
            match self.schedule.missed {
                Missed::Skip => {
                    ticks.push(PlannedTick { at: last, task: None });
                    next = grid.after(last);
                }
                Missed::Once => next = Some(last),
                Missed::All(most) => {
                    let mut first = last;
                    for _ in 1..most.min(MAX_MISSED) {
                        match grid.before(first) {
                            Some(earlier) if earlier >= due => first = earlier,
                            _ => break,
                        }
                    }
                    next = Some(first);
                }
            }
        }
        let in_time = |tick: &Timestamp| self.is_in_time(*tick);
        let most = (CALL_BYTES / self.schedule.task.payload.bytes().len().max(1)).clamp(1, MOST);
        while let Some(at) = next.filter(in_time).filter(|at| *at <= now && ticks.len() < most) {
            let task = self.schedule.task_at(at).id(TaskId::new());
            ticks.push(PlannedTick { at, task: Some(task) });
            next = grid.after(at);
        }
        let (name, next_at) = (self.schedule.name.clone(), next.filter(in_time));
        let (version, created_at) = (self.version, self.created_at);
        Ok(Some(PlannedTicks { name, due, version, created_at, ticks, next_at }))
    }
}
