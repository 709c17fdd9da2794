//! Spans of time and points in time, in the forms that users type.

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
    let found = match duration(text) {
        Ok(before) => Timestamp::now().checked_sub(before).ok(),
        Err(_) => date(text),
    };
    found.ok_or_else(|| {
        format!(
            "{text:?} is no point in time: write a span before now such as 10m or 2h, or a date such as \
             2026-11-24T10:00:00Z"
        )
    })
}

/// A point in time such as `2026-11-24T10:00:00Z` or `2026-11-24 10:00` (local).
pub fn instant(text: &str) -> Result<Timestamp, String> {
    date(text).ok_or_else(|| {
        format!("{text:?} is no point in time: write one such as 2026-11-24T10:00:00Z, or 2026-11-24 10:00 (local)")
    })
}

fn date(text: &str) -> Option<Timestamp> {
    let local = || {
        let date: civil::DateTime = text.parse().ok()?;
        TimeZone::system().to_timestamp(date).ok()
    };
    text.parse().ok().or_else(local)
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
        // What the parser of dates says is not for users.
        let old = moment("9999999999999").expect_err("before the first date");
        assert!(old.contains("9999999999999") && old.contains("write a span"), "{old}");
    }

    #[test]
    fn instants_are_dates() {
        assert_eq!(instant("2026-11-24T10:00:00Z"), moment("2026-11-24T10:00:00Z"));
        assert!(instant("2026-11-24 10:00").is_ok());
        for wrong in ["1h", "tomorrow", "2026-13-01"] {
            let words = instant(wrong).expect_err("no date");
            assert!(words.contains(wrong) && words.contains("2026-11-24T10:00:00Z"), "{words}");
        }
    }
}
