//! `omniq schedules`.

use serde_json::{Value, json};

use crate::support::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn c22_schedules_are_saved_listed_changed_and_deleted() {
    let bench = Bench::ready().await;
    let names = |arguments: &[&str]| -> Vec<Value> {
        let listed = bench.entries(&[&["schedules", "list"], arguments].concat());
        listed.as_array().expect("a list").iter().map(|saved| saved["name"].clone()).collect()
    };
    assert_eq!(bench.run(&["schedules", "list"]).good().stdout, "No such schedules.\n");
    let said = bench.run(&["schedules", "save", "nightly", "add", "[1, 2]", "--cron", "30 2 * * *"]).good();
    assert!(said.stdout.starts_with("Schedule nightly is saved: its next tick is 20"), "{said:?}");
    let saved = bench.json(&[
        "schedules",
        "save",
        "poll",
        "add",
        "[3, 4]",
        "--every",
        "90s",
        "--no-overlap",
        "--jitter",
        "5s",
        "--missed",
        "7",
        "--max-runs",
        "3",
        "--queue",
        "polls",
        "--timeout",
        "1m",
    ]);
    let expected = json!({ "every": 90.0, "overlap": false, "jitter": 5.0, "missed": 7, "max_runs": 3, "queue": "polls",
        "timeout": 60.0, "version": 1, "runs": 0, "app": null, "cron": null, "func": "add" });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(saved[field], *value, "{field}");
    }
    assert_eq!(names(&[]), ["nightly", "poll"]);
    assert_eq!(names(&["--limit", "1", "--after", "nightly"]), ["poll"]);
    assert_eq!(names(&["--func", "other"]), Vec::<Value>::new());
    let table = bench.run(&["schedules", "list"]).good().stdout;
    assert!(table.contains("30 2 * * * UTC") && table.contains("every 90 s"), "{table}");

    assert_eq!(
        bench.run(&["schedules", "pause", "poll"]).good().stdout,
        "Schedule poll is paused: it has no ticks until it is resumed.\n"
    );
    assert_eq!(
        (names(&["--paused"]), names(&["--all"])),
        (vec![json!("poll")], vec![json!("nightly"), json!("poll")])
    );
    let id = bench.json(&["schedules", "trigger", "poll"])["task_id"].clone();
    let task = bench.json(&["tasks", "show", id.as_str().expect("an id")]);
    assert_eq!(
        (&task["task"]["queue"], &task["task"]["metadata"]["schedule"]),
        (&json!("polls"), &json!("poll"))
    );
    assert_eq!(bench.json(&["schedules", "resume", "poll"]), json!({ "name": "poll", "done": "resumed" }));
    let shown = bench.json(&["schedules", "show", "poll"]);
    assert_eq!(
        (&shown["ticks"][0]["task_id"], &shown["ticks"][0]["manual"], &shown["paused_at"]),
        (&id, &json!(true), &json!(null))
    );
    let shown = bench.run(&["schedules", "show", "poll"]).good().stdout;
    assert!(shown.contains("(by hand)") && shown.contains("0 of 3") && shown.contains("[3,4]"), "{shown}");

    assert_eq!(bench.run(&["schedules", "delete", "poll"]).good().stdout, "Schedule poll is deleted.\n");
    for verb in ["delete", "show", "pause", "resume", "trigger", "next"] {
        bench.run(&["schedules", verb, "poll"]).fails_with(3, "there is no schedule \"poll\"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c22_what_cannot_be_saved_is_refused() {
    let bench = Bench::ready().await;
    let save = |more: &[&str]| bench.run(&[&["schedules", "save", "one", "add"], more].concat());
    save(&[]).fails_with(2, "--cron");
    save(&["--every", "1s", "--at", "2030-01-01"]).fails_with(2, "cannot be used with");
    save(&["--cron", "* * *"]).fails_with(2, "five fields");
    save(&["--cron", "0 0 * * *", "--time-zone", "Nowhere"])
        .fails_with(2, "time zone \"Nowhere\" is unknown");
    save(&["--every", "1h", "--time-zone", "Europe/Berlin"]).fails_with(2, "--cron");
    save(&["--cron", "60 * * * *"]).fails_with(2, "minute 0-59");
    save(&["--every", "50ms"]).fails_with(2, "0.1 seconds");
    save(&["--every", "1m", "--missed", "some"]).fails_with(2, "skip, once, all");
    save(&["--every", "1m", "--grace", "0"]).fails_with(2, "at least 1 second");
    assert_eq!(bench.run(&["schedules", "list"]).good().stdout, "No such schedules.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn c22_the_next_ticks_are_shown_in_a_time_zone() {
    let bench = Bench::ready().await;
    let cron = ["schedules", "next", "--cron", "0 12 29 2 *", "--time-zone", "Asia/Tokyo", "--count", "2"];
    let shown = bench.run(&cron).good().stdout;
    assert!(
        shown.contains("ASIA/TOKYO")
            && shown.contains("-02-29 12:00:00 +0900")
            && shown.contains("-02-29 03:00:00Z"),
        "{shown}"
    );
    let ticks = bench.json(&cron)["ticks"].clone();
    assert_eq!(ticks.as_array().map(Vec::len), Some(2));
    bench.run(&["schedules", "save", "past", "add", "--at", "2020-01-01"]).good();
    let next = bench.json(&["schedules", "next", "past"]);
    assert_eq!(next["paused"], json!(false));
    bench.run(&["schedules", "next"]).fails_with(2, "--cron");
    bench.run(&["schedules", "next", "past", "--count", "0"]).fails_with(2, "--count");
}
