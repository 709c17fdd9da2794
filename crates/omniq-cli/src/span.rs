//! Spans of time and points in time as people type them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp, civil};

/// `30` (seconds), `1.5`, `30s`, `10m`, `2h`, `7d`, `1h 30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no span of time: write 30 (seconds), 30s, 10m, 2h or 7d");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// A span of time before now, or a point in time such as `2026-11-24T10:00:00Z` or `2026-11-24 10:00` (local).
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(before) = duration(text) {
        return Timestamp::now().checked_sub(before).map_err(|error| error.to_string());
    }
    let local = || {
        let date: civil::DateTime = text.parse().ok()?;
        TimeZone::system().to_timestamp(date).ok()
    };
    text.parse().ok().or_else(local).ok_or_else(|| {
        format!(
            "{text:?} is no point in time: write a span before now such as 10m or 2h, or a date such as \
             2026-11-24T10:00:00Z"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_and_without_a_unit() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "soon", "-5", "-5m", "NaN", "inf"] {
            assert!(duration(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn moments_are_spans_before_now_or_dates() {
        let hour_ago = moment("1h").expect("a span");
        let age = Timestamp::now().duration_since(hour_ago).as_secs();
        assert!((3600..3610).contains(&age), "{age}");
        assert_eq!(
            moment("2026-11-24T10:00:00Z").map(|time| time.to_string()).as_deref(),
            Ok("2026-11-24T10:00:00Z")
        );
        assert!(moment("2026-11-24 10:00").is_ok());
        assert!(moment("tomorrow").is_err());
    }
}
