//! Verbs on tasks by filter, `update` and `delete`, and the workers.

use std::time::Duration;

use omniq::backend::postgres::{AsyncPostgresBackend, Settings};
use omniq::port::WorkerInfo;
use omniq::prelude::{NewTask, Worker};
use omniq::{Context, Failure};
use serde_json::{Value, json};

use crate::support::{Bench, until};

#[tokio::test(flavor = "multi_thread")]
async fn c18_tasks_are_chosen_by_error_and_time() {
    let bench = Bench::ready().await;
    let backend = bench.backend().await;
    let tasks = ["Timeout", "net.Down", "net.Reset"].map(|kind| NewTask::new("fail", &kind).expect("a task"));
    backend.enqueue_many(tasks.to_vec()).await.expect("ids");
    Worker::builder(&backend)
        .register(
            "fail",
            |kind: String, _: Context| async move { Err::<(), _>(Failure::fatal(kind, "it broke")) },
        )
        .build()
        .expect("a worker")
        .run_until_idle()
        .await
        .expect("the work is done");
    let add = NewTask::new("add", &(1, 2)).expect("a task");
    backend.enqueue(add).await.expect("an id");

    let errors = |arguments: &[&str]| -> Vec<Value> {
        let found = bench.entries(&[&["tasks", "list"], arguments].concat());
        found.as_array().expect("a list").iter().map(|task| task["error"]["type"].clone()).collect()
    };
    assert_eq!(errors(&["--error", "Timeout"]), ["Timeout"]);
    assert_eq!(errors(&["--error", "net.*", "--since", "1h"]), ["net.Down", "net.Reset"]);
    assert_eq!(errors(&["--since", "2100-01-01"]), Vec::<Value>::new());
    assert_eq!(errors(&["--error", "net.*", "--until", "2100-01-01"]), ["net.Down", "net.Reset"]);
    assert_eq!(errors(&["--until", "1h"]), Vec::<Value>::new());
    assert_eq!(bench.json(&["tasks", "delete", "--until", "1h", "--dry-run"]), json!({ "matched": 0 }));
    let listed = bench.entries(&["tasks", "list"]);
    assert!(listed[0]["seq"].as_i64() < listed[1]["seq"].as_i64(), "{listed}");
    let failed = bench.entries(&["results", "list", "--error", "net.*"]);
    assert_eq!(failed.as_array().map(Vec::len), Some(2));

    assert_eq!(bench.json(&["tasks", "delete", "--error", "Timeout", "--dry-run"]), json!({ "matched": 1 }));
    assert_eq!(
        bench.json(&["tasks", "delete", "--error", "Timeout", "--yes"]),
        json!({ "matched": 1, "deleted": 1 })
    );
    let retried = bench.run(&["tasks", "retry", "--error", "net.D*", "--since", "1h", "-y"]).good();
    assert_eq!(retried.stdout, "1 task is ready.\n");
    assert_eq!(errors(&["--state", "dead"]), ["net.Reset"]);
    let cancelled = bench.json(&["tasks", "cancel", "--all", "--yes"]);
    assert_eq!(cancelled, json!({ "matched": 2, "cancelled": 2, "asked_to_stop": 0 }));
    assert_eq!(
        bench.entries(&["results", "list", "--status", "cancelled"]).as_array().map(Vec::len),
        Some(2)
    );
    bench.run(&["tasks", "purge"]).fails_with(2, "--all");
    bench
        .run(&["tasks", "purge", "--all"])
        .fails_with(2, "1 task would be deleted; nothing was changed: add --yes");
    assert_eq!(bench.run(&["tasks", "purge", "--all", "--yes"]).good().stdout, "1 task is deleted.\n");
    backend.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn c18_a_task_is_updated_and_deleted() {
    let bench = Bench::ready().await;
    let id = bench.json(&["tasks", "enqueue", "add", "[1, 2]"])["id"].as_str().expect("an id").to_owned();
    let update = |more: &[&str]| bench.run(&[&["tasks", "update", &id], more].concat());
    update(&[]).fails_with(2, "--priority");
    update(&["--queue", ""]).fails_with(2, "queue name is empty");
    update(&["--delay", "1h", "--run-at", "2030-01-01"]).fails_with(2, "cannot be used with");
    let said = update(&["--priority", "-7", "--queue", "slow", "--max-retries", "9", "--delay", "1h"]).good();
    assert_eq!(said.stdout, format!("{id} is scheduled in queue slow.\n"));
    let changed = update(&["--args", "[3, 4]", "--run-at", "2020-01-01", "--json"]).good().json();
    assert_eq!(
        [&changed["priority"], &changed["queue"], &changed["max_retries"], &changed["state"]],
        [&json!(-7), &json!("slow"), &json!(9), &json!("ready")]
    );
    assert_eq!(changed["payload"]["value"], json!([3, 4]));

    bench.run(&["tasks", "delete", &id, "--yes"]).fails_with(2, "not for ids");
    bench.run(&["tasks", "delete", &id, "--queue", "slow"]).fails_with(2, "cannot be used with");
    bench.run(&["tasks", "delete", "--state", "running"]).fails_with(2, "cancel it");
    assert_eq!(bench.run(&["tasks", "delete", &id]).good().stdout, format!("{id} is deleted.\n"));
    bench.run(&["tasks", "delete", &id]).fails_with(3, &id);
    update(&["--priority", "1"]).fails_with(3, &id);
}

#[tokio::test(flavor = "multi_thread")]
async fn c17_workers_show_where_they_run_and_how_busy_they_are() {
    let bench = Bench::ready().await;
    assert_eq!(bench.run(&["workers"]).good().stdout, "No workers.\n");
    let backend = bench.backend().await;
    backend.enqueue(NewTask::new("nap", &()).expect("a task").queue("slow")).await.expect("an id");
    let worker = Worker::builder(&backend)
        .register("nap", |(): (), context: Context| async move {
            context.cancelled().await;
            Ok::<_, Failure>(())
        })
        .register("add", |(a, b): (i64, i64), _: Context| async move { Ok::<_, Failure>(a + b) })
        .queues(["slow", "default"])
        .concurrency(3)
        .lease(Duration::from_secs(1))
        .name("worker-1")
        .build()
        .expect("a worker");
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    let mut shown = Value::Null;
    until("a heartbeat has said that a slot is used", || {
        shown = bench.json(&["workers"])[0].take();
        shown["used"] == 1
    });
    for (field, value) in [
        ("name", json!("worker-1")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("queues", json!(["slow", "default"])),
        ("functions", json!(["add", "nap"])),
        ("slots", json!(3)),
        ("lease", json!(1.0)),
        ("lost", json!(false)),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert!(shown["host"].as_str().is_some_and(|host| !host.is_empty()), "{shown}");

    let info = WorkerInfo { lease: Duration::from_millis(100), ..WorkerInfo::new(["default"]) };
    let gone = WorkerInfo { name: "gone".to_owned(), ..info };
    handle.stop_now();
    running.await.expect("it ends").expect("it has stopped");
    backend.queue().register_worker(&gone).await.expect("a worker");
    until("its lease is over", || bench.json(&["workers"])[0]["lost"] == true);
    let table = bench.run(&["workers"]).good().stdout;
    for word in ["NAME", "HOST", "VERSION", "QUEUES", "FUNCTIONS", "SLOTS", "LEASE", "SINCE", "gone", "lost"]
    {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    assert!(!table.contains("worker-1"), "{table}");
    backend.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn c23_a_completed_task_shows_its_arguments_if_they_are_kept() {
    let bench = Bench::ready().await;
    let mut shown = Vec::new();
    for keep in [true, false] {
        let settings =
            Settings::builder().url(bench.db.url()).keep_args(keep).build().expect("good settings");
        let backend = AsyncPostgresBackend::with_settings(&settings).await.expect("a backend");
        let id =
            backend.enqueue(NewTask::new("add", &(1, 2)).expect("a task")).await.expect("an id").to_string();
        bench.work(&backend).await;
        backend.close().await.expect("it closes");
        shown.push((
            bench.json(&["tasks", "show", &id])["result"].take(),
            bench.run(&["tasks", "show", &id]).good().stdout,
        ));
    }
    let (kept, text) = &shown[0];
    assert_eq!((&kept["args"]["value"], &kept["value"]["value"]), (&json!([1, 2]), &json!(3)));
    assert_eq!(kept["metadata"], json!({}));
    assert!(text.contains("arguments  [1,2]") && !text.contains("metadata"), "{text}");
    let (bare, text) = &shown[1];
    assert_eq!(bare["args"], Value::Null);
    assert!(!text.contains("arguments"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c18_backoff_callbacks_and_metadata_are_shown_and_metadata_is_changed() {
    let bench = Bench::ready().await;
    let backend = bench.backend().await;
    let mut task = NewTask::new("add", &(1, 2)).expect("a task").metadata("tenant", "acme");
    task.backoff = Some(omniq::Backoff::fixed(Duration::from_secs(7)));
    let alert = omniq::Callback::new([omniq::EndKind::Dead, omniq::EndKind::Expired], "alert");
    let id = backend.enqueue(task.callback(alert)).await.expect("an id").to_string();
    backend.close().await.expect("it closes");
    let shown = bench.run(&["tasks", "show", &id]).good().stdout;
    assert!(shown.contains("alert in queue default, if it ends as: dead, expired"), "{shown}");
    assert!(shown.contains("backoff"), "{shown}");
    let whole = bench.json(&["tasks", "show", &id])["task"].clone();
    assert_eq!(whole["callbacks"][0]["func"], "alert");
    let update = |text: &str| bench.run(&["tasks", "update", &id, "--metadata", text]);
    update("[1]").fails_with(2, "give a JSON object");
    update(r#"{ "tenant": "zeta" }"#).good();
    assert_eq!(bench.json(&["tasks", "show", &id])["task"]["metadata"], json!({ "tenant": "zeta" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn c22_a_key_makes_a_task_unique() {
    let bench = Bench::ready().await;
    let enqueue = |more: &[&str]| bench.run(&[&["tasks", "enqueue", "add", "[1, 2]"], more].concat());
    let keyed = ["--key", "sum:1", "--delay", "1h"];
    let first = enqueue(&[&keyed[..], &["--json"]].concat()).good().json();
    assert_eq!(first["enqueued"], "new");
    let id = first["id"].as_str().expect("an id");
    let folded = enqueue(&keyed).good();
    assert_eq!(folded.stdout, format!("{id}\n"));
    assert!(folded.stderr.contains("A task with this key is there already: skipped"), "{}", folded.stderr);
    let replaced = enqueue(&["--key", "sum:1", "--on-conflict", "replace", "--json"]).good().json();
    assert_eq!(replaced, json!({ "id": id, "enqueued": "replaced" }));
    enqueue(&["--key", "sum:1", "--on-conflict", "error"])
        .fails_with(1, &format!("the key \"sum:1\" is held by task {id}"));
    enqueue(&["--key", "sum:1", "--on-conflict", "drop"]).fails_with(2, "invalid value 'drop'");
    enqueue(&["--until", "end"]).fails_with(2, "--key");
    enqueue(&["--key", "sum:1", "--max-wait", "5s"]).fails_with(2, "reschedule");
    assert_eq!(bench.json(&["tasks", "show", id])["task"]["key"], "sum:1");
    assert!(bench.run(&["tasks", "show", id]).good().stdout.contains("sum:1"));

    let saved = ["schedules", "save", "hourly", "add", "[3, 4]", "--every", "1h", "--key", "sum:2"];
    bench.run(&[&saved[..], &["--period", "2h"]].concat()).good();
    bench.run(&["schedules", "trigger", "hourly"]).good();
    let listed = bench.entries(&["tasks", "list", "--func", "add"]);
    let keys: Vec<&Value> = listed.as_array().expect("a list").iter().map(|task| &task["key"]).collect();
    assert_eq!(keys.len(), 2, "{listed}");
    assert!(keys.contains(&&json!("sum:2")), "{listed}");
}
