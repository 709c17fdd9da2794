//! Local times as croner reads them: how a wall clock's time is found on the time line. Croner knows older versions of jiff only.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

/// A time in a time zone.
#[derive(Debug, Clone)]
pub(super) struct LocalTime(ZonedDateTime);

impl LocalTime {
    pub(super) fn new(time: Timestamp, zone: &TimeZone) -> Self {
        Self(time.to_zoned_datetime(zone.clone()))
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        self.0.timestamp()
    }
}

impl CronDateTime for LocalTime {
    fn to_civil(&self) -> CivilDateTime {
        let parts = [self.0.month(), self.0.day(), self.0.hour(), self.0.minute(), self.0.second()];
        let [month, day, hour, minute, second] = parts.map(|part| u32::from(part.unsigned_abs()));
        let civil = CivilDateTime::from_ymd_hms_opt(self.0.year().into(), month, day, hour, minute, second);
        civil.expect("jiff's times exist in the calendar")
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::from(self.0.weekday().to_sunday_zero_offset().unsigned_abs()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let ambiguous = self.0.time_zone().to_ambiguous_zoned_datetime(wall_clock(civil)?);
        let at =
            |found: Result<ZonedDateTime, jiff::Error>| found.map(Self).map_err(|_| CronError::InvalidTime);
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(at(ambiguous.unambiguous())?),
            AmbiguousOffset::Fold { .. } => {
                Resolution::Ambiguous(at(ambiguous.clone().earlier())?, at(ambiguous.later())?)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.timestamp().cmp(&other.timestamp())
    }
}

/// Error beyond the years that jiff knows.
fn wall_clock(civil: CivilDateTime) -> Result<DateTime, CronError> {
    let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
    let parts = [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()];
    let [month, day, hour, minute, second] = parts.map(|part| i8::try_from(part).unwrap_or(-1));
    DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)
}
