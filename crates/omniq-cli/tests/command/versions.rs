//! `omniq` beside schemas that a later program has migrated.

use serde_json::Value;

use crate::support::{Bench, Ran};

#[tokio::test(flavor = "multi_thread")]
async fn c28_a_newer_schema_is_refused_in_plain_words() {
    let bench = Bench::ready().await;
    let next = next(&bench);
    let newer = newer("tasks", next, next, "the column x is gone");
    bench.db.client().await.batch_execute(&newer).await.expect("a row is added");
    for command in [&["db", "status"][..], &["db", "migrate"], &["queues"], &["tasks", "enqueue", "add"]] {
        let words = format!("{next:04}_future breaks below {next}: the column x is gone");
        let refused = bench.run(command).fails_with(1, &words);
        assert!(refused.stderr.contains("update OmniQ to release 9.8.7"), "{refused:?}");
    }
}

/// The first version of the tasks that this program does not know.
fn next(bench: &Bench) -> i32 {
    let status = bench.json(&["db", "status", "--part", "tasks"]);
    1 + i32::try_from(status[0]["program"].as_i64().expect("a number")).expect("a small one")
}

/// The row that a migration of a later program leaves. Above this program's version, `usable_from` refuses it.
fn newer(part: &str, version: i32, usable_from: i32, effect: &str) -> String {
    format!(
        "insert into omniq.migrations (part, version, name, checksum, usable_from, effect, release)
         values ('{part}', {version}, 'future', 'x', {usable_from}, '{effect}', '9.8.7')"
    )
}

/// Found by a hostile reader: commands that look were refused for events that were not configured.
#[tokio::test(flavor = "multi_thread")]
async fn c28_a_look_goes_without_events_that_this_program_cannot_use() {
    let bench = Bench::ready().await;
    bench.run(&["tasks", "enqueue", "add"]).good();
    assert_eq!(bench.run(&["queues"]).good().stderr, "");
    let newer = newer("events", 999, 999, "the column x is gone");
    bench.db.client().await.batch_execute(&newer).await.expect("a row is added");
    let shown = bench.run(&["queues"]).good();
    assert!(shown.stdout.contains("default"), "{shown:?}");
    for words in ["Events are not shown", "0999_future", "update OmniQ to release 9.8.7"] {
        assert!(shown.stderr.contains(words), "{words:?} is not in {shown:?}");
    }
    bench.run(&["events", "list"]).fails_with(2, "events are off");
    // Where they are configured, they are asked for.
    let configured = Ran::of(bench.command(&["queues"]).env("OMNIQ_EVENTS", "postgres"));
    configured.fails_with(1, "0999_future");
}

/// Found by a hostile reader: the first database was migrated before the second one was looked at, and nothing said so.
#[tokio::test(flavor = "multi_thread")]
async fn c28_of_several_databases_none_is_migrated_if_one_refuses_and_what_was_done_is_shown() {
    let (bench, other) = (Bench::new().await, Bench::ready().await);
    let migrate = |more: &[&str]| {
        Ran::of(bench.command(&[&["db", "migrate"], more].concat()).env("OMNIQ_RESULTS", other.db.url()))
    };
    let client = other.db.client().await;
    client.batch_execute(&newer("results", 999, 999, "all is gone")).await.expect("a row is added");
    let refused = migrate(&[]).fails_with(1, "0999_future");
    assert_eq!(refused.stdout, "");
    let tasks = bench.run(&["db", "status", "--part", "tasks"]).fails_with(1, "0001_tasks");
    assert!(tasks.stdout.contains("not yet"), "{tasks:?}");

    // A table of the user is in the way, which only the migration itself can find.
    let in_the_way = "drop schema omniq cascade; create schema omniq; create table omniq.results (mine int)";
    client.batch_execute(in_the_way).await.expect("a table is made");
    let failed = migrate(&["--json"]).fails_with(1, "0001_results");
    assert_eq!((&failed.json()[0]["part"], &failed.json()[0]["version"]), (&"tasks".into(), &1.into()));
    bench.run(&["db", "status", "--part", "tasks"]).good();
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_beside_a_migration_that_adds_all_commands_work_and_the_status_says_so() {
    let bench = Bench::ready().await;
    let client = bench.db.client().await;
    let adds = "alter table omniq.tasks add column extra text not null default 'x'";
    client.batch_execute(adds).await.expect("a column is added");
    let next = next(&bench);
    let ours = next - 1;
    client.batch_execute(&newer("tasks", next, 1, "a column")).await.expect("a row is added");

    let migrated = bench.run(&["db", "migrate"]).good().stdout;
    let words = format!("the tasks are at version {next}, this program is at {ours}");
    assert!(migrated.contains(&words), "{migrated}");
    bench.run(&["tasks", "enqueue", "add", "[1, 2]"]).good();
    assert_eq!(bench.json(&["queues"])[0]["ready"], 1);
    let backend = bench.backend().await;
    bench.work(&backend).await;
    backend.close().await.expect("the backend closes");
    assert_eq!(bench.json(&["queues"]), serde_json::json!([]));

    let shown = bench.run(&["db", "status"]).good().stdout;
    let (range, future) = (format!("1 to {next}"), format!("{next:04}_future"));
    for words in [&*range, "yes", &future, "adds: a column", "postgresql://", bench.db.name()] {
        assert!(shown.contains(words), "{words:?} is not in:\n{shown}");
    }
    let status = bench.json(&["db", "status", "--part", "tasks"])[0].clone();
    assert_eq!(status["usable_by"], serde_json::json!({ "from": 1, "to": next }), "{status}");
    assert_eq!((&status["version"], &status["program"]), (&next.into(), &ours.into()), "{status}");
    assert_eq!(status["schema"], "omniq");
    let future = status["migrations"].as_array().and_then(|all| all.last()).expect("a migration");
    assert_eq!((&future["known"], &future["breaks_below"]), (&false.into(), &Value::Null), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_the_status_of_a_schema_that_this_program_cannot_use_says_what_breaks_it() {
    let bench = Bench::ready().await;
    let next = next(&bench);
    let newer = newer("tasks", next, next, "the column x is gone");
    bench.db.client().await.batch_execute(&newer).await.expect("a row is added");
    let words = format!("only programs at version {next} or newer");
    let refused = bench.run(&["db", "status"]).fails_with(1, &words);
    for words in ["no", &format!("breaks below {next}: the column x is gone")] {
        assert!(refused.stdout.contains(words), "{words:?} is not in {refused:?}");
    }
    let refused = bench.run(&["db", "status", "--json"]).fails_with(1, "update OmniQ");
    let tasks = refused.json()[0].clone();
    let last = tasks["migrations"].as_array().and_then(|all| all.last()).expect("a migration");
    assert_eq!((&tasks["usable"], &last["breaks_below"]), (&false.into(), &next.into()), "{tasks}");
    assert!(tasks["refusal"].as_str().is_some_and(|text| text.contains("the column x is gone")), "{tasks}");
}
