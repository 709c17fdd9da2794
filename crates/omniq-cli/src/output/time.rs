//! Times for people.

use std::time::Duration;

use jiff::Timestamp;

/// `12 s ago`, `in 5 min`: less exact at a greater distance.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(time).as_secs_f64();
    match seconds {
        -1.0..1.0 => "now".to_owned(),
        0.0.. => format!("{} ago", rough(seconds)),
        _ => format!("in {}", rough(-seconds)),
    }
}

/// `12 s`, `5 min`, `3 h`.
pub fn rough(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{seconds:.0} s"),
        60.0..3600.0 => format!("{:.0} min", (seconds / 60.0).floor()),
        3600.0..86_400.0 => format!("{:.0} h", (seconds / 3600.0).floor()),
        _ => format!("{:.0} d", (seconds / 86_400.0).floor()),
    }
}

/// `0.8 ms`, `250 ms`, `12.3 s`, `3 min 05 s`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.01 => format!("{:.1} ms", seconds * 1000.0),
        ..1.0 => format!("{:.0} ms", seconds * 1000.0),
        ..60.0 => format!("{seconds:.1} s"),
        _ => {
            let whole = time.as_secs();
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
    }
}

/// The full time, to the millisecond, in UTC.
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: i64) -> String {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        ago(Timestamp::from_second(1_800_000_000 - seconds).expect("a time"), now)
    }

    #[test]
    fn distances_in_time_are_rounded() {
        assert_eq!(
            [0, 12, 119, 7300, 200_000].map(after),
            ["now", "12 s ago", "1 min ago", "2 h ago", "2 d ago"]
        );
        assert_eq!([-5, -600].map(after), ["in 5 s", "in 10 min"]);
    }

    #[test]
    fn spans_and_stamps() {
        let spans = [800, 250_000, 12_300_000, 185_000_000].map(|micros| took(Duration::from_micros(micros)));
        assert_eq!(spans, ["0.8 ms", "250 ms", "12.3 s", "3 min 05 s"]);
        let time: Timestamp = "2026-11-24T10:00:00.1239Z".parse().expect("a time");
        assert_eq!(stamp(time), "2026-11-24 10:00:00.123Z");
    }
}
