//! The times at which a schedule fires: by a cron expression, by an interval, or once. All are whole microseconds, as databases keep them,
//! and each is computed from the one before, which says on which side of a change of the clocks it is.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::local_time::LocalTime;
use crate::model::limits::{MAX_DURATION, check_positive};
use crate::{Error, Result};

/// The shortest interval.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// When a schedule fires.
///
/// **Cron.** Five fields (minute, hour, day, month, weekday), or six with the second first. If both the day and the weekday are restricted,
/// a day that fits either of them counts. Time zones are those of the IANA database, which is built in.
///
/// When the clocks go forward, an expression whose second, minute and hour are plain numbers, such as `30 2 * * *`, fires at the end of a
/// gap that swallows its time; when they go back, at the first of two passes. With `*`, a list, a range or a step in one of these fields,
/// such as in `*/15 * * * *`, the times in a gap do not exist, and those of both passes count. The rules are those of the
/// [croner](https://docs.rs/croner) library.
///
/// **Every.** A grid from the schedule's start: `starts_at`, or when it was saved. It is the same grid whatever workers are started and
/// stopped. For months, which differ, take a cron expression.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Timing {
    /// By a cron expression, in an IANA time zone such as `Europe/Berlin`.
    Cron {
        /// The expression.
        expression: String,
        /// The time zone.
        time_zone: String,
    },
    /// Each time this span has passed: 0.1 seconds to 100 years, in whole microseconds.
    Every(Duration),
    /// Once.
    At(Timestamp),
}

impl Timing {
    /// By a cron expression in this time zone. Errors as for [`check`](Self::check).
    pub fn cron(expression: impl Into<String>, time_zone: impl Into<String>) -> Result<Self> {
        let timing = Self::Cron { expression: expression.into(), time_zone: time_zone.into() };
        timing.check().map(|()| timing)
    }

    /// Each time this span has passed. Errors as for [`check`](Self::check).
    pub fn every(interval: Duration) -> Result<Self> {
        let timing = Self::Every(interval);
        timing.check().map(|()| timing)
    }

    /// Once, at this time.
    pub fn at(time: Timestamp) -> Self {
        Self::At(time)
    }

    /// Errors: `is_invalid` for an interval out of its bounds, a cron expression or time zone that cannot be read, and a cron expression
    /// that never fires, such as one for 30 February.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Every(interval) => {
                check_positive("interval", *interval)?;
                if *interval < MIN_INTERVAL {
                    let seconds = interval.as_secs_f64();
                    return Err(Error::invalid(format!(
                        "interval = {seconds} seconds is refused: give at least 0.1 seconds"
                    )));
                }
                Ok(())
            }
            Self::Cron { expression, time_zone } => {
                let (cron, zone) = (parsed(expression)?, zone(time_zone)?);
                if next(&cron, &zone, Timestamp::UNIX_EPOCH).is_none() {
                    return Err(Error::invalid(format!(
                        "cron expression {expression:?} never fires: give a date that exists"
                    )));
                }
                Ok(())
            }
            Self::At(_) => Ok(()),
        }
    }

    /// The times after this one, in order. `anchor`: from where an interval's grid counts. Errors as for [`check`](Self::check).
    pub(super) fn grid(&self, anchor: Timestamp) -> Result<Grid> {
        Ok(match self {
            Self::Cron { expression, time_zone } => {
                Grid::Cron(Box::new(parsed(expression)?), zone(time_zone)?)
            }
            Self::Every(interval) => {
                let step = i64::try_from(interval.min(&MAX_DURATION).as_micros()).unwrap_or(i64::MAX);
                Grid::Every { anchor: anchor.as_microsecond(), step: step.max(1) }
            }
            Self::At(time) => Grid::At(whole(*time)),
        })
    }
}

/// A timing that was read, for several searches.
pub(super) enum Grid {
    Cron(Box<Cron>, TimeZone),
    /// In microseconds.
    Every {
        anchor: i64,
        step: i64,
    },
    At(Timestamp),
}

impl Grid {
    /// The first time after this one.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => next(cron, zone, time),
            Self::Every { anchor, step } => {
                // A time between two microseconds is after the earlier of them.
                let passed = time.as_microsecond() - anchor;
                Timestamp::from_microsecond(anchor + (passed.div_euclid(*step) + 1) * step).ok()
            }
            Self::At(at) => (*at > time).then_some(*at),
        }
    }

    /// The last time before this one.
    pub(super) fn before(&self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron, zone) => {
                let time = time.checked_sub(SignedDuration::from_nanos(1)).ok()?;
                found(cron.find_previous_occurrence(&LocalTime::new(time, zone), true))
            }
            Self::Every { anchor, step } => {
                let last = whole(time.checked_sub(SignedDuration::from_nanos(1)).ok()?);
                let passed = last.as_microsecond() - anchor;
                Timestamp::from_microsecond(anchor + passed.div_euclid(*step) * step).ok()
            }
            Self::At(at) => (*at < time).then_some(*at),
        }
    }
}

/// The time without its part below a microsecond.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    let below = i64::from(time.subsec_nanosecond().rem_euclid(1_000));
    time.checked_sub(SignedDuration::from_nanos(below)).unwrap_or(time)
}

fn next(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    found(cron.find_next_occurrence(&LocalTime::new(after, zone), false))
}

/// A search that finds nothing has come to the end of the calendar.
fn found(time: Result<LocalTime, croner::errors::CronError>) -> Option<Timestamp> {
    time.ok().map(|time| time.timestamp())
}

fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|error| {
        Error::invalid(format!(
            "time zone {name:?} is unknown: give a name such as \"Europe/Berlin\" or \"UTC\" ({error})"
        ))
    })
}

/// Five fields, or six with seconds first. Years and names such as `@daily` would mean something else to other parsers.
fn parsed(expression: &str) -> Result<Cron> {
    if !matches!(expression.split_whitespace().count(), 5 | 6) {
        return Err(Error::invalid(format!(
            "cron expression {expression:?} does not have five fields: minute, hour, day, month, weekday, or six with the second first"
        )));
    }
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(expression)
        .map_err(|error| {
            Error::invalid(format!(
                "cron expression {expression:?} cannot be read ({error}): give minute 0-59, hour 0-23, day 1-31, month 1-12 or JAN-DEC, \
                 weekday 0-7 or SUN-SAT, each as *, a number, a list, a range or with a step"
            ))
        })
}
