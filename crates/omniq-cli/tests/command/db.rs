//! `omniq db`: migrate, status, recount, sql; and that commands that only read change nothing.

use omniq_testkit::Pooler;
use serde_json::Value;

use crate::support::{Bench, Ran, omniq};

#[tokio::test(flavor = "multi_thread")]
async fn c28_db_status_and_migrate() {
    let bench = Bench::new().await;
    let before = bench.run(&["db", "status"]).fails_with(1, "run `omniq db migrate --part").stdout;
    assert!(before.contains("not yet") && before.contains("tasks") && before.contains("results"), "{before}");
    assert!(!before.contains("events"), "events are not configured:\n{before}");

    let migrated = bench.json(&["db", "migrate"]);
    let parts: Vec<_> = migrated.as_array().expect("a list").iter().map(|one| one["part"].clone()).collect();
    assert!(parts.contains(&"tasks".into()) && parts.contains(&"results".into()), "{migrated}");
    assert_eq!(bench.json(&["db", "migrate"]), serde_json::json!([]));
    assert!(bench.run(&["db", "migrate"]).good().stdout.contains("up to date"));

    bench.run(&["db", "migrate", "--part", "events"]).good();
    let status = bench.json(&["db", "status", "--part", "tasks", "--part", "results", "--part", "events"]);
    let all = status.as_array().expect("a list");
    let is_applied = |part: &Value| {
        part["migrations"].as_array().expect("a list").iter().all(|one| one["applied_at"].is_string())
    };
    assert!(all.len() == 3 && all.iter().all(|part| part["usable"] == true && is_applied(part)), "{status}");
    assert!(!bench.run(&["db", "status"]).good().stdout.contains("not yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_db_sql_makes_the_same_schema_by_other_means() {
    let bench = Bench::new().await;
    let sql = bench.run(&["db", "sql", "--schema", "Jobs & co"]).good().stdout;
    bench.db.client().await.batch_execute(&sql).await.expect("the SQL is carried out");
    let status = bench.json(&[
        "db",
        "status",
        "--schema",
        "Jobs & co",
        "--part",
        "tasks",
        "--part",
        "results",
        "--part",
        "events",
    ]);
    assert!(status.as_array().expect("a list").iter().all(|part| part["usable"] == true), "{status}");
    bench.run(&["queues", "--schema", "Jobs & co"]).good();
    let alone = bench.json(&["db", "sql", "--part", "events"]);
    let alone = alone["sql"].as_str().expect("text");
    assert!(alone.contains(".events (") && !alone.contains(".tasks ("), "{alone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c27_a_look_changes_nothing() {
    let bench = Bench::new().await;
    for command in [&["queues"][..], &["tasks", "list"], &["results", "list"], &["events", "list"]] {
        bench.run(command).fails_with(1, "omniq db migrate");
    }
    let sql = "select count(*) from pg_namespace where nspname = 'omniq'";
    let made: i64 = bench.db.client().await.query_one(sql, &[]).await.expect("a count").get(0);
    assert_eq!(made, 0);
    bench.run(&["db", "migrate", "--part", "tasks"]).good();
    bench.run(&["queues"]).good();
    bench.run(&["results", "list"]).fails_with(2, "results are off");
    bench.run(&["events", "list"]).fails_with(2, "events are off");
}

#[tokio::test(flavor = "multi_thread")]
async fn c19_db_recount_counts_what_was_changed_by_hand() {
    let bench = Bench::ready().await;
    for _ in 0..3 {
        bench.run(&["tasks", "enqueue", "add"]).good();
    }
    let ready = || bench.json(&["queues"])[0]["ready"].clone();
    let by_hand = "delete from omniq.tasks where id = (select id from omniq.tasks limit 1)";
    bench.db.client().await.batch_execute(by_hand).await.expect("a row is deleted");
    assert_eq!(ready(), 3);
    assert!(bench.run(&["db", "recount"]).good().stdout.contains("Counted anew"));
    assert_eq!(ready(), 2);
    bench.run(&["db", "recount", "--schema", "other"]).fails_with(1, "omniq db migrate");
}

/// Issue 12, C7. The first statement that is prepared has the same name in each process, so none is prepared before the
/// pooler is detected.
#[tokio::test(flavor = "multi_thread")]
async fn c29_processes_that_connect_at_once_through_a_pooler_do_not_meet() {
    let bench = Bench::ready().await;
    for more in ["", "ignore_startup_parameters = options"] {
        let pooler = Pooler::start(&bench.db, more);
        let migrate = |_| {
            let url = pooler.url().to_owned();
            std::thread::spawn(move || {
                for _ in 0..15 {
                    Ran::of(omniq().args(["db", "migrate", "--url", &url])).good();
                }
            })
        };
        let clients: Vec<_> = (0..4).map(migrate).collect();
        clients.into_iter().for_each(|client| client.join().expect("no connect fails"));
    }
}

/// What is printed is what is sent: the server prepares each statement.
#[tokio::test(flavor = "multi_thread")]
async fn c28_db_statements_prints_what_is_sent() {
    let bench = Bench::ready().await;
    bench.run(&["db", "migrate", "--part", "events"]).good();
    let all = bench.json(&["db", "statements"]);
    let all = all.as_array().expect("a list");
    assert!(all.len() > 50, "{} statements", all.len());
    let client = bench.db.client().await;
    for one in all {
        let (name, sql) = (one["name"].as_str().expect("a name"), one["sql"].as_str().expect("text"));
        assert!(sql.contains("-- omniq: "), "{name} is not marked:\n{sql}");
        let params = one["params"].as_array().expect("a list");
        let types: Vec<_> = params.iter().map(|param| param["type"].as_str().expect("a type")).collect();
        let types = if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
        let prepare = format!("prepare {name} {types} as {sql}");
        client.batch_execute(&prepare).await.unwrap_or_else(|error| panic!("{error:?}\n{prepare}"));
    }

    let other = bench.run(&["db", "statements", "dequeue", "--schema", "jobs"]).good().stdout;
    assert!(
        other.contains("-- $1 ")
            && other.contains("-- omniq: dequeue\n")
            && other.contains("\"jobs\".")
            && !other.contains("\"omniq\"."),
        "{other}"
    );
    bench.run(&["db", "statements", "no such"]).fails_with(2, "the names are").fails_with(2, "dequeue");
}
