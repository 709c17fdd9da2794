//! Behaviours of every schedule storage.

pub mod code;
pub mod keep;
pub mod missed;
pub mod ticks;
pub mod walk;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::support::*;
use crate::*;

/// A schedule of this name that fires each hour.
fn hourly(name: &str) -> Schedule {
    Schedule::new(name, Timing::every(HOUR).unwrap(), task(1)).unwrap()
}

fn hours(count: u32) -> Duration {
    HOUR * count
}

/// The schedule of this name, which must be there.
async fn known(schedules: &Arc<dyn ScheduleStorage>, name: &str) -> SavedSchedule {
    schedules.get(name).await.unwrap().expect("the schedule is there")
}

/// What a worker does whose clock, and that of the storage, show this time.
async fn tick_at(schedules: &Arc<dyn ScheduleStorage>, name: &str, now: Timestamp) -> Vec<Tick> {
    match known(schedules, name).await.plan(now).unwrap() {
        Some(planned) => schedules.tick(&[planned]).await.unwrap(),
        None => Vec::new(),
    }
}

/// The times of ticks, as hours after the first.
fn as_hours(ticks: &[Tick], first: Timestamp) -> Vec<i64> {
    ticks.iter().map(|tick| tick.at.duration_since(first).as_hours()).collect()
}

/// The reasons why ticks were skipped; empty for one that was not.
fn skipped(ticks: &[Tick]) -> Vec<&str> {
    ticks.iter().map(|tick| tick.skipped.as_deref().unwrap_or("")).collect()
}
