//! Schedules: tasks that are enqueued at set times. The model only; workers do not fire them yet.

use std::time::Duration;

use jiff::Timestamp;

use super::{NewTask, check_name};
use crate::{Error, Result};

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Timing {
    /// By a cron expression of five fields (minute, hour, day, month, weekday), in an IANA time zone such as
    /// `Europe/Berlin`.
    Cron {
        /// The expression.
        expression: String,
        /// The time zone.
        time_zone: String,
    },
    /// Each time this span has passed.
    Every(Duration),
    /// Once.
    At(Timestamp),
}

impl Timing {
    /// Errors: `is_invalid` for a zero interval, a cron expression or time zone that cannot be read.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Every(span) => super::limits::check_positive("interval", *span),
            Self::Cron { expression, time_zone } => {
                check_cron(expression)?;
                jiff::tz::TimeZone::get(time_zone)
                    .map(drop)
                    .map_err(|error| Error::invalid(format!("time zone {time_zone:?} is unknown: {error}")))
            }
            Self::At(_) => Ok(()),
        }
    }
}

/// A task that is enqueued at set times.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name, by which it is found and replaced.
    pub name: String,
    /// When it fires.
    pub timing: Timing,
    /// What it enqueues.
    pub task: NewTask,
    /// Whether it is paused.
    pub paused: bool,
    /// When it fires next, if that is known.
    pub next_at: Option<Timestamp>,
    /// When it fired last.
    pub last_at: Option<Timestamp>,
}

impl Schedule {
    /// A schedule that has not fired. Errors: `is_invalid` for a bad name, a zero interval, a cron expression or time
    /// zone that cannot be read.
    pub fn new(name: impl Into<String>, timing: Timing, task: NewTask) -> Result<Self> {
        let name = name.into();
        check_name("schedule name", &name)?;
        timing.check()?;
        Ok(Self { name, timing, task, paused: false, next_at: None, last_at: None })
    }
}

/// Five fields and no more: seconds, years and names such as `@daily` would mean something else to other parsers.
fn check_cron(expression: &str) -> Result<()> {
    if expression.split_whitespace().count() != 5 {
        return Err(Error::invalid(format!(
            "cron expression {expression:?} does not have five fields: minute, hour, day, month, weekday"
        )));
    }
    croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Disallowed)
        .build()
        .parse(expression)
        .map(drop)
        .map_err(|error| Error::invalid(format!("cron expression {expression:?} cannot be read: {error}")))
}
