//! The times of ticks: every change of the clocks, and what holds for all expressions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(expression: &str, zone: &str) -> Timing {
    Timing::cron(expression, zone).unwrap()
}

/// The ticks after a time, in UTC, without the parts that the first one shares with the year.
fn ticks(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let grid = cron(expression, zone).grid(Timestamp::UNIX_EPOCH).unwrap();
    let mut at = time(after);
    let mut found = Vec::new();
    while found.len() < count {
        at = grid.after(at).unwrap();
        found.push(at.strftime("%m-%d %H:%M").to_string());
    }
    found
}

/// Zone, expression, after, and the ticks that follow, all of 2026 and in UTC. Where a time falls into a gap or comes twice, the rule of
/// [`Timing`] is shown: plain numbers fire once, anything else at the times that there are.
#[test]
fn c22_cron_follows_both_changes_of_the_clocks() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        // Europe/Berlin: 29 March 2:00 to 3:00, 25 October 3:00 to 2:00.
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T00:00Z", &["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("Europe/Berlin", "*/15 2 * * *", "2026-03-28T12:00Z", &["03-30 00:00", "03-30 00:15"]),
        (
            "Europe/Berlin",
            "*/30 * * * *",
            "2026-03-29T00:00Z",
            &["03-29 00:30", "03-29 01:00", "03-29 01:30"],
        ),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00Z", &["10-25 00:30", "10-26 01:30"]),
        (
            "Europe/Berlin",
            "*/30 2 * * *",
            "2026-10-24T23:59Z",
            &["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-26 01:00"],
        ),
        (
            "Europe/Berlin",
            "15,45 2 * * *",
            "2026-10-25T00:45Z",
            &["10-25 01:15", "10-25 01:45", "10-26 01:15"],
        ),
        // America/New_York: 8 March 2:00 to 3:00, 1 November 2:00 to 1:00.
        ("America/New_York", "30 2 * * *", "2026-03-07T12:00Z", &["03-08 07:00", "03-09 06:30"]),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00Z", &["11-01 05:30", "11-02 06:30"]),
        (
            "America/New_York",
            "0 * * * *",
            "2026-11-01T04:30Z",
            &["11-01 05:00", "11-01 06:00", "11-01 07:00"],
        ),
        // Australia/Lord_Howe, by half an hour: 5 April 2:00 to 1:30, 4 October 2:00 to 2:30.
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00Z", &["04-04 14:45", "04-05 15:15"]),
        (
            "Australia/Lord_Howe",
            "*/15 1 * * *",
            "2026-04-04T14:20Z",
            &["04-04 14:30", "04-04 14:45", "04-04 15:00", "04-04 15:15", "04-05 14:30"],
        ),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00Z", &["10-03 15:30", "10-04 15:15"]),
        (
            "Australia/Lord_Howe",
            "*/15 2 * * *",
            "2026-10-03T15:00Z",
            &["10-03 15:30", "10-03 15:45", "10-04 15:00"],
        ),
        // Africa/Cairo, at midnight: 24 April 0:00 to 1:00, 29 October 24:00 to 23:00.
        ("Africa/Cairo", "0 0 * * *", "2026-04-22T12:00Z", &["04-22 22:00", "04-23 22:00", "04-24 21:00"]),
        ("Africa/Cairo", "0 0 * * *", "2026-10-28T12:00Z", &["10-28 21:00", "10-29 22:00", "10-30 22:00"]),
        ("Africa/Cairo", "30 23 * * *", "2026-10-29T12:00Z", &["10-29 20:30", "10-30 21:30"]),
        (
            "Africa/Cairo",
            "*/30 23 * * *",
            "2026-10-29T19:45Z",
            &["10-29 20:00", "10-29 20:30", "10-29 21:00", "10-29 21:30"],
        ),
        // America/Santiago, at midnight: 4 April 24:00 to 23:00, 6 September 0:00 to 1:00.
        ("America/Santiago", "30 23 * * *", "2026-04-04T12:00Z", &["04-05 02:30", "04-06 03:30"]),
        ("America/Santiago", "0 0 * * *", "2026-09-05T12:00Z", &["09-06 04:00", "09-07 03:00"]),
        ("America/Santiago", "*/20 0 * * *", "2026-09-05T12:00Z", &["09-07 03:00", "09-07 03:20"]),
    ];
    for (zone, expression, after, expected) in table {
        let after = format!("{}:00Z", after.trim_end_matches('Z'));
        assert_eq!(
            ticks(expression, zone, &after, expected.len()),
            *expected,
            "{expression} in {zone} after {after}"
        );
    }
}

#[test]
fn c22_cron_takes_five_or_six_fields_and_either_day() {
    assert_eq!(ticks("*/20 30 4 * * *", "UTC", "2026-01-01T00:00:00Z", 2), ["01-01 04:30", "01-01 04:30"]);
    // The 13th, and each Friday.
    assert_eq!(
        ticks("0 0 13 * FRI", "UTC", "2026-01-10T00:00:00Z", 4),
        ["01-13 00:00", "01-16 00:00", "01-23 00:00", "01-30 00:00"]
    );
    assert_eq!(ticks("0 12 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["02-29 12:00"]);
}

#[test]
fn c22_intervals_are_a_grid_of_whole_microseconds() {
    let anchor = time("2026-01-01T00:00:00.5Z");
    let grid = Timing::every(Duration::from_nanos(333_333_333)).unwrap().grid(anchor).unwrap();
    let mut at = anchor;
    for k in 1..=1_000 {
        at = grid.after(at).unwrap();
        assert_eq!(at, anchor + SignedDuration::from_micros(333_333 * k));
    }
    // Before the anchor, too, and however far away.
    assert_eq!(grid.before(anchor).unwrap(), anchor - SignedDuration::from_micros(333_333));
    let far = grid.after(time("2999-01-01T00:00:00Z")).unwrap();
    assert_eq!(far.duration_since(anchor).as_micros() % 333_333, 0);
}

#[test]
fn c22_the_next_ticks_are_told_beforehand() {
    let now = time("2026-03-28T12:00:00Z");
    let task = NewTask::new("f", &()).unwrap();
    let nightly = Schedule::new("n", cron("30 2 * * *", "Europe/Berlin"), task.clone()).unwrap();
    let saved = SavedSchedule::new(nightly.clone().max_runs(2), None, now).unwrap();
    assert_eq!(
        saved.upcoming(now, 9).unwrap(),
        [time("2026-03-29T01:00:00Z"), time("2026-03-30T00:30:00Z")],
        "as many as it may still run"
    );
    let ends = SavedSchedule::new(nightly.ends_at(time("2026-03-29T01:00:00Z")), None, now).unwrap();
    assert_eq!(ends.upcoming(now, 9).unwrap(), [time("2026-03-29T01:00:00Z")]);
    let once = SavedSchedule::new(Schedule::new("o", Timing::at(now), task).unwrap(), None, now).unwrap();
    assert_eq!(once.upcoming(now, 9).unwrap(), [now]);
    assert_eq!(once.upcoming(now + SignedDuration::from_secs(1), 9).unwrap(), []);
}

/// A year without workers costs no more than a minute without them.
#[test]
fn c22_a_long_absence_is_planned_at_once() {
    let start = time("2025-01-01T00:00:00Z");
    let task = NewTask::new("f", &()).unwrap();
    let now = time("2026-01-01T00:00:00.25Z");
    for timing in [Timing::every(Duration::from_secs(1)).unwrap(), cron("* * * * * *", "Europe/Berlin")] {
        for (missed, wanted) in
            [(Missed::Skip, 61), (Missed::Once, 61), (Missed::All(30), 90), (Missed::All(10_000), 100)]
        {
            let schedule = Schedule::new("s", timing.clone(), task.clone()).unwrap().missed(missed);
            let saved = SavedSchedule::new(schedule, None, start).unwrap();
            let planned = saved.plan(now).unwrap().unwrap();
            assert_eq!(planned.ticks.len(), wanted, "{timing:?} {missed:?}");
            let gaps =
                planned.ticks.windows(2).all(|pair| pair[1].at.duration_since(pair[0].at).as_secs() == 1);
            assert!(gaps && planned.next_at.unwrap() > planned.ticks.last().unwrap().at);
        }
    }
}

/// What one call sends stays small.
#[test]
fn c22_large_arguments_make_small_plans() {
    let now = time("2026-01-01T00:00:00Z");
    for (megabytes, wanted) in [(0, 11), (10, 6), (64, 1), (100, 1)] {
        let payload = crate::Payload::new(crate::Codec::Raw, vec![0; megabytes * 1024 * 1024]);
        let task = NewTask::with_payload("f", payload);
        let schedule = Schedule::new("s", Timing::every(Duration::from_secs(1)).unwrap(), task).unwrap();
        let saved = SavedSchedule::new(schedule, None, now).unwrap();
        let planned = saved.plan(now + SignedDuration::from_secs(11)).unwrap().unwrap();
        assert_eq!(planned.ticks.len(), wanted, "{megabytes} MiB");
        assert_eq!(planned.next_at, Some(now + SignedDuration::from_secs(wanted as i64 + 1)));
    }
}

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kathmandu",
];

fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (least..=most).prop_map(|number| number.to_string()),
        (1_u8..20).prop_map(|step| format!("*/{step}")),
        (least..=most, least..=most).prop_map(|(one, other)| format!("{one},{other}")),
        (least..=most, least..=most).prop_map(|(one, other)| format!(
            "{}-{}",
            one.min(other),
            one.max(other)
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Ticks only go forward, and a search back from a tick finds the one before it: so no tick is lost or doubled, on whatever side of a
    /// change of the clocks it is, and whether a plan counts forward or back.
    #[test]
    fn c22_ticks_forward_and_back_are_the_same(
        minute in field(0, 59), hour in field(0, 23), day in prop_oneof![Just("*".to_owned()), field(1, 28)],
        zone in proptest::sample::select(&ZONES[..]), second in 1_767_225_600_i64..1_798_761_600,
    ) {
        let grid = cron(&format!("{minute} {hour} {day} * *"), zone).grid(Timestamp::UNIX_EPOCH).unwrap();
        let mut at = Timestamp::from_second(second).unwrap();
        let mut ticks = Vec::new();
        for _ in 0..30 {
            let next = grid.after(at).unwrap();
            prop_assert!(next > at, "{next} after {at}");
            prop_assert_eq!(next.subsec_nanosecond(), 0);
            ticks.push(next);
            at = next;
        }
        for pair in ticks.windows(2) {
            prop_assert_eq!(grid.before(pair[1]), Some(pair[0]));
            let between = pair[0] + SignedDuration::from_millis(300);
            prop_assert_eq!(grid.after(between), Some(pair[1]));
        }
    }

    #[test]
    fn c22_no_expression_stops_the_program(expression in "[0-9*/,\\-LW#? A-Z]{0,30}", zone in "[A-Za-z_/]{0,20}") {
        let _ = Timing::cron(expression, "UTC");
        let _ = Timing::cron("0 0 * * *", zone);
    }
}
