//! `omniq queues`, `tasks`, `results`, `events`: in tables and as JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Bench, Ran};
use omniq::prelude::*;
use omniq::{TaskFilter, TaskState};
use omniq_testkit::eventually;
use serde_json::Value;

const NOBODY: &str = "01987cf2-6d5e-7000-8000-000000000000";

fn id_of(ran: &Ran) -> String {
    ran.stdout.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn c19_queues_and_their_figures() {
    let bench = Bench::ready().await;
    assert!(bench.run(&["queues"]).good().stdout.contains("No tasks"));
    bench.run(&["tasks", "enqueue", "add", "[1, 2]", "--queue", "mail"]).good();
    bench.run(&["tasks", "enqueue", "add", "[1, 2]", "--queue", "mail", "--delay", "1h"]).good();
    assert!(bench.run(&["queues", "pause", "mail"]).good().stdout.contains("mail is paused"));
    let table = bench.run(&["queues"]).good().stdout;
    assert!(table.starts_with("QUEUE") && table.contains("paused"), "{table}");
    let queues = bench.json(&["queues"]);
    let mail = &queues[0];
    assert_eq!((&mail["name"], &mail["ready"], &mail["scheduled"]), (&"mail".into(), &1.into(), &1.into()));
    assert_eq!(mail["paused"], true);
    assert_eq!(bench.json(&["queues", "resume", "mail"])["paused"], false);
    assert_eq!(bench.json(&["queues"])[0]["paused"], false);
    bench.run(&["queues", "pause", ""]).fails_with(2, "empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn c18_tasks_enqueue_list_show_cancel_retry() {
    let bench = Bench::ready().await;
    let add = id_of(
        &bench.run(&["tasks", "enqueue", "add", "[1, 2]", "--priority", "-5", "--timeout", "1m"]).good(),
    );
    let broken = id_of(&bench.run(&["tasks", "enqueue", "break", "{}", "--queue", "default"]).good());
    let later =
        id_of(&bench.run(&["tasks", "enqueue", "add", "[3, 4]", "--delay", "2h", "--ttl", "1d"]).good());
    bench.run(&["tasks", "enqueue", "add", "nonsense"]).fails_with(2, "no JSON");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for unread in [deep.as_str(), r#"{"a": 1e400}"#] {
        bench.run(&["tasks", "enqueue", "add", unread]).fails_with(2, "at most 127 levels");
    }
    bench.run(&["tasks", "enqueue", "add", "--id", &later]).fails_with(1, "in use");

    let table = bench.run(&["tasks", "list"]).good().stdout;
    assert!(
        [&add, &broken, &later].iter().all(|id| table.contains(*id)) && table.contains("in 1 h"),
        "{table}"
    );
    let page = bench.entries(&["tasks", "list", "--limit", "1"]);
    let rest = bench.entries(&["tasks", "list", "--after", page[0]["id"].as_str().expect("an id")]);
    assert_eq!((page.as_array().map(Vec::len), rest.as_array().map(Vec::len)), (Some(1), Some(2)));
    assert_eq!(
        bench.entries(&["tasks", "list", "--state", "scheduled"])[0]["id"],
        Value::from(later.clone())
    );

    let backend = bench.backend().await;
    bench.work(&backend).await;
    let shown = bench.run(&["tasks", "show", &broken]).good().stdout;
    for word in
        ["dead", "broken: it broke\\u{1b}[31m", "second line", "Result", "Events", "started", "worker-1"]
    {
        assert!(shown.contains(word), "{word:?} is not in\n{shown}");
    }
    let whole = bench.json(&["tasks", "show", &broken]);
    assert_eq!(whole["task"]["error"]["type"], "broken");
    assert_eq!(whole["result"]["status"], "failed");
    // Started and failed. The enqueue was not logged, because the command ran with events off, the default.
    assert_eq!(whole["events"].as_array().map(Vec::len), Some(2));
    let done = bench.run(&["tasks", "show", &add]).good().stdout;
    assert!(done.contains("not in the queue") && done.contains("completed"), "{done}");
    bench.run(&["tasks", "show", NOBODY]).fails_with(3, NOBODY);

    bench.run(&["tasks", "retry", &broken]).good();
    assert_eq!(bench.json(&["tasks", "show", &broken])["task"]["state"], "ready");
    bench.run(&["tasks", "retry", NOBODY]).fails_with(3, NOBODY);
    let cancelled = bench.json(&["tasks", "cancel", &later]);
    assert_eq!(cancelled[0]["outcome"], "cancelled");
    assert_eq!(bench.json(&["results", "show", &later])["status"], "cancelled");
    let mixed = bench.run(&["tasks", "cancel", &broken, NOBODY]).fails_with(3, "1 of 2");
    assert!(mixed.stdout.contains("not found"), "{mixed:?}");
    backend.close().await.expect("it closes");
}

/// Issue 12, E8: of 600 dead tasks, the command that `--help` advised took 100 and did not say so.
#[tokio::test(flavor = "multi_thread")]
async fn lists_say_that_there_is_more_and_commands_take_all() {
    let bench = Bench::ready().await;
    let backend = bench.backend().await;
    let tasks = |func: &str, count: usize| {
        (0..count).map(|i| NewTask::new(func, &i).expect("a task").queue("default")).collect::<Vec<_>>()
    };
    backend.enqueue_many(tasks("break", 1_203)).await.expect("ids");
    bench.work(&backend).await;
    let other = tasks("other", 1).pop().map(|task| task.delay(Duration::from_secs(3600)));
    backend.enqueue(other.expect("one")).await.expect("an id");

    for list in [&["tasks", "list"][..], &["results", "list"], &["events", "list"]] {
        let with = |more: &[&str]| bench.run(&[list, more].concat()).good();
        let entries = |ran: &Ran| ran.json()[list[0]].as_array().expect("a list").len();
        let ran = with(&["--json"]);
        assert_eq!((entries(&ran), &ran.json()["more"]), (100, &true.into()));
        // The last events are shown, so what is left out comes before them.
        match ran.json()["next"].as_str() {
            Some(next) => {
                let rest = with(&["--after", next, "--limit", "5000", "--json"]);
                assert!(entries(&rest) >= 1_103, "{} after {next}", entries(&rest));
                assert_eq!((&rest.json()["more"], &rest.json()["next"]), (&false.into(), &Value::Null));
            }
            None => assert_eq!(list[0], "events"),
        }
        assert!(ran.stderr.contains("--all"), "{ran:?}");
        assert!(with(&[]).stderr.contains("--all"));
        let all = with(&["--all", "--json"]);
        assert!(entries(&all) >= 1_203 && all.stderr.is_empty() && all.json()["more"] == false);
        assert!(with(&["--all"]).stdout.lines().count() > 1_203);
        assert_eq!(with(&["--limit", "5000", "--json"]).stderr, "");
        let none = with(&["--queue", "none", "--all", "--json"]).json();
        assert_eq!(none, serde_json::json!({ list[0]: [], "more": false, "next": null }));
    }

    bench.run(&["tasks", "retry"]).fails_with(2, "--all");
    bench.run(&["tasks", "retry", "--all", "--state", "running"]).fails_with(2, "dead, scheduled");
    assert_eq!(
        bench.run(&["tasks", "retry", "--all", "--queue", "none"]).good().stdout,
        "0 tasks are ready.\n"
    );
    let dry = bench.run(&["tasks", "retry", "--func", "break", "--dry-run"]).good();
    assert_eq!(dry.stdout, "1,203 tasks would be retried.\n");
    let refused = bench.run(&["tasks", "retry", "--func", "break"]).fails_with(2, "add --yes to do it");
    assert!(
        refused.stderr.contains("1,203 tasks would be retried") && refused.stdout.is_empty(),
        "{refused:?}"
    );
    let retried = bench.json(&["tasks", "retry", "--func", "break", "--yes"]);
    assert_eq!((&retried["matched"], &retried["retried"]), (&1_203.into(), &1_203.into()));
    let count = |state| {
        let filter = TaskFilter { state: Some(state), ..TaskFilter::default() };
        async { backend.queue().count(&{ filter }).await.expect("a count") }
    };
    assert_eq!((count(TaskState::Dead).await, count(TaskState::Ready).await), (0, 1_203));

    let mut cancel = bench.command(&["tasks", "cancel", "-"]);
    let mut cancel = cancel.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let ready = bench.entries(&["tasks", "list", "--state", "ready", "--limit", "600"]);
    let ids = ready.as_array().expect("a list").iter();
    let ids: String = ids.map(|task| format!("{}\n", task["id"].as_str().expect("an id"))).collect();
    cancel.stdin.take().expect("a pipe").write_all(ids.as_bytes()).expect("they are written");
    let ran = Ran::from(cancel.wait_with_output().expect("it ends")).good();
    assert_eq!(ran.stdout.lines().filter(|line| line.ends_with("cancelled")).count(), 600);
    let ran = bench.run(&["tasks", "cancel", "--state", "ready", "-y"]).good();
    assert_eq!(ran.stdout, "603 cancelled, 0 asked to stop.\n");
    assert_eq!((count(TaskState::Ready).await, count(TaskState::Scheduled).await), (0, 1));
    backend.close().await.expect("it closes");
}

/// Issue 12, E8: a task that is deleted while its page is retried does not keep the others from the retry. The page was
/// read before.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_deleted_meanwhile_keeps_no_other_from_its_retry() {
    const WAITING: &str = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let bench = Bench::ready().await;
    let backend = bench.backend().await;
    let tasks = (0..20).map(|i| NewTask::new("break", &i).expect("a task").queue("default")).collect();
    let ids = backend.enqueue_many(tasks).await.expect("ids");
    bench.work(&backend).await;
    let (holder, witness) = (bench.db.client().await, bench.db.client().await);
    let waiting = async |wanted: i64| {
        let patience = Duration::from_secs(30);
        let count = async || witness.query_one(WAITING, &[]).await.expect("a count").get::<_, i64>(0);
        eventually("it waits", patience, async || (count().await == wanted).then_some(())).await;
    };
    holder.batch_execute("begin; select from omniq.tasks for update").await.expect("locks");
    let (deleting, gone) = (backend.clone(), ids[7]);
    let deleting = tokio::spawn(async move { deleting.queue().delete(gone).await });
    waiting(1).await;
    let retrying =
        bench.command(&["tasks", "retry", "--all", "--yes", "--json"]).stdout(Stdio::piped()).spawn();
    waiting(2).await;
    holder.batch_execute("rollback").await.expect("the locks are let go of");

    deleting.await.expect("it ends").expect("it is deleted");
    let ran = Ran::from(retrying.expect("it starts").wait_with_output().expect("it ends")).good();
    assert_eq!(ran.json()["retried"], 19, "{ran:?}");
    let mut ready = Vec::new();
    for id in &ids {
        ready.extend(
            backend.queue().get(*id).await.expect("a look").filter(|task| task.state == TaskState::Ready),
        );
    }
    assert!(ready.len() == 19 && ready.iter().all(|task| task.id != gone), "{ready:?}");
    backend.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn c23_results_show_wait_and_list() {
    let bench = Bench::ready().await;
    let add = id_of(&bench.run(&["tasks", "enqueue", "add", "[1, 2]"]).good());
    let broken = id_of(&bench.run(&["tasks", "enqueue", "break", "--queue", "default"]).good());
    bench.run(&["results", "show", &add]).fails_with(3, "no result");
    bench.run(&["results", "show", &add, "--wait", "0.1"]).fails_with(5, &add);

    let waiter =
        bench.command(&["results", "show", &add, "--wait", "1m", "--json"]).stdout(Stdio::piped()).spawn();
    let backend = bench.backend().await;
    bench.work(&backend).await;
    backend.close().await.expect("it closes");
    let waited = Ran::from(waiter.expect("it starts").wait_with_output().expect("it ends")).good().json();
    assert_eq!((&waited["value"]["value"], &waited["worker"]), (&3.into(), &"worker-1".into()));

    let shown = bench.run(&["results", "show", &add]).good().stdout;
    assert!(shown.contains("completed") && shown.contains("value      3"), "{shown}");
    let table = bench.run(&["results", "list"]).good().stdout;
    assert!(table.contains(&add) && table.contains("broken: it broke\\u{1b}[31m"), "{table}");
    let failed = bench.entries(&["results", "list", "--status", "failed", "--since", "1h"]);
    assert_eq!(failed.as_array().map(Vec::len), Some(1));
    assert_eq!(failed[0]["task_id"], Value::from(broken));
    assert_eq!(bench.entries(&["results", "list", "--until", "1h"]).as_array().map(Vec::len), Some(0));
    let first = bench.entries(&["results", "list", "--limit", "1"]);
    let rest = bench.entries(&["results", "list", "--after", first[0]["task_id"].as_str().expect("an id")]);
    assert_eq!(rest.as_array().map(Vec::len), Some(1));
    assert_ne!(rest[0]["task_id"], first[0]["task_id"]);
    assert!(bench.run(&["results", "list", "--queue", "none"]).good().stdout.contains("No such results"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c25_events_list() {
    let bench = Bench::ready().await;
    let backend = bench.backend().await;
    let id = backend.enqueue(NewTask::new("add", &(1, 2)).expect("a task")).await.expect("an id").to_string();
    backend.enqueue(NewTask::new("break", &()).expect("a task").queue("default")).await.expect("an id");
    bench.work(&backend).await;
    backend.close().await.expect("it closes");
    let kinds = |arguments: &[&str]| -> Vec<String> {
        let all = bench.entries(&[&["events", "list"], arguments].concat());
        let all = all.as_array().expect("a list").iter();
        all.map(|event| event["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    assert_eq!(kinds(&["--task", &id]), ["enqueued", "started", "completed"]);
    assert_eq!(kinds(&["--kind", "failed", "--since", "1h"]), ["failed"]);
    assert_eq!(kinds(&["--kind", "failed", "--until", "1h"]), Vec::<String>::new());
    assert_eq!(kinds(&["--worker", "worker-1"]).len(), 4);
    assert_eq!(kinds(&["--limit", "1", "--task", &id]), ["completed"]);
    assert_eq!(kinds(&["--limit", "1", "--task", &id, "--after", "0"]), ["enqueued"]);
    assert_eq!(kinds(&["--queue", "none"]), Vec::<String>::new());
    let table = bench.run(&["events", "list"]).good().stdout;
    assert!(table.starts_with("NUMBER") && table.contains(&id) && table.contains("it broke"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c25_events_tail_shows_each_event_once_also_late_ones() {
    let bench = Bench::ready().await;
    let mut late = bench.db.client().await;
    let insert = "insert into omniq.events (at, kind) values (now(), ";
    let first = format!("select omniq.make_events_partition('0', '1 day'); {insert} 'before')");
    bench.db.client().await.batch_execute(&first).await.expect("an event");
    let mut tail = bench
        .command(&["events", "tail", "--last", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("a pipe")).lines();
    let mut next = || -> String {
        let line = lines.next().expect("a line").expect("text");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        event["kind"].as_str().expect("a kind").to_owned()
    };
    assert_eq!(next(), "before");
    // Numbered before `second`, committed after it was seen.
    let transaction = late.transaction().await.expect("a transaction");
    transaction.batch_execute(&format!("{insert} 'late')")).await.expect("an event");
    bench.db.client().await.batch_execute(&format!("{insert} 'second')")).await.expect("an event");
    assert_eq!(next(), "second");
    transaction.commit().await.expect("a commit");
    assert_eq!(next(), "late");
    bench.db.client().await.batch_execute(&format!("{insert} 'third')")).await.expect("an event");
    assert_eq!(next(), "third");
    tail.kill().expect("it is stopped");
    tail.wait().expect("it has ended");
}
