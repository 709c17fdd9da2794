//! Random rows that the tables accept: the tasks that can be read run.

use super::*;

/// Values that each column may be given, besides valid ones.
fn odd_values() -> Vec<(&'static str, Vec<String>)> {
    let json = |texts: &[&str]| texts.iter().map(|text| format!("'{text}'::jsonb")).collect::<Vec<_>>();
    let plain = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let times = plain(&[
        "'infinity'",
        "'-infinity'",
        "'294276-01-01'",
        "'4713-01-01 BC'",
        "now() - interval '1 day'",
    ]);
    let counters = plain(&["-1", "-2147483648", "0", "2147483647"]);
    let mut metadata = json(&[
        "{}",
        "5",
        "[1]",
        "\"x\"",
        r#"{"a": 1e400}"#,
        r#"{"a": 18446744073709551616}"#,
        r#"{"a": 1e16}"#,
    ]);
    metadata.extend([
        deep(127),
        deep(128),
        deep(300),
        "jsonb_build_object('a', repeat('x', 70000))".to_owned(),
    ]);
    let options = json(&[
        "5",
        "{}",
        r#"{"timeout": 1e400}"#,
        r#"{"timeout": -1}"#,
        r#"{"backoff": {"factor": -3}}"#,
        r#"{"backoff": {"jitter": 1e308}}"#,
        r#"{"backoff": {"waits": [1, -1]}}"#,
        r#"{"backoff": {"waits": 5, "step": null}}"#,
    ]);
    vec![
        ("metadata", metadata),
        ("options", options),
        ("error", json(&["5", "{}", r#"{"type": 5, "message": []}"#, r#"{"type": "a", "message": "b"}"#])),
        ("codec", plain(&["''", "'yaml'", "repeat('x', 1000)", "'x-own'"])),
        ("func", plain(&["''", "E'a\\u0085'", "repeat('ü', 100)"])),
        ("queue", plain(&["''", "E'a\\nb'", "repeat('q', 1000)"])),
        ("max_retries", counters.clone()),
        ("attempt", counters.clone()),
        ("claims", counters),
        ("priority", plain(&["-32768", "32767"])),
        ("state", plain(&["0", "3", "4", "7", "-1"])),
        ("run_at", times.clone()),
        ("created_at", times.clone()),
        ("expires_at", times.clone()),
        ("claimed_at", times.clone()),
        ("ended_at", times),
        ("payloads", plain(&["array[null]::bytea[]", "array['no json']::bytea[]"])),
    ]
}

/// Values that the triggers refuse in sessions other than the library's: the statements rely on their absence.
fn odd_shapes() -> Vec<(&'static str, Vec<String>)> {
    let plain = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    vec![
        ("count", plain(&["0", "-1", "2", "70000", "2147483647"])),
        ("removed", plain(&["B''", "B'0'", "B'1'", "B'01'"])),
        (
            "payloads",
            plain(&["'{}'", "array['1', '2']::bytea[]", "array[array['1']]::bytea[]", "'[0:0]={1}'"]),
        ),
        ("seq", plain(&["-9223372036854775808", "9223372036854775807", "0"])),
        ("worker", plain(&["1", "99999"])),
        ("id", plain(&["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"])),
    ]
}

type Columns = Vec<(&'static str, String)>;

fn columns(of: Vec<(&'static str, Vec<String>)>) -> impl proptest::strategy::Strategy<Value = Columns> {
    let each = of.into_iter().map(|(name, values)| {
        proptest::option::weighted(0.15, proptest::sample::select(values))
            .prop_map(move |value| (name, value))
    });
    each.collect::<Vec<_>>()
        .prop_map(|all| all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// Whatever the table accepts: the good tasks beside it run, nothing fails or panics, and all tasks that are left can be deleted by id.
#[test]
fn c15_whatever_the_table_accepts_the_good_tasks_run() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (db, backend, client) = runtime.block_on(async {
        let db = TestDb::new().await;
        let (backend, client) = open(&db).await;
        (db, backend, client)
    });
    let cases = proptest::collection::vec(
        prop_oneof![
            2 => columns(odd_values()).prop_map(|columns| (true, columns)),
            1 => columns([odd_values(), odd_shapes()].concat()).prop_map(|columns| (false, columns)),
        ],
        1..6,
    );
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases, |rows| {
        runtime.block_on(one_case(&backend, &client, rows));
        Ok(())
    });
    runtime.block_on(async { backend.close().await.unwrap() });
    drop(db);
    outcome.unwrap();
}

async fn one_case(backend: &AsyncPostgresBackend, client: &Client, rows: Vec<(bool, Columns)>) {
    let queue = backend.queue();
    let first = backend.enqueue_many((0..3).map(good).collect()).await.unwrap();
    for (unchecked, columns) in rows {
        let setting = if unchecked { UNCHECKED } else { "reset omniq.direct" };
        client.batch_execute(setting).await.unwrap();
        let mut columns: Vec<_> = columns.into_iter().collect();
        columns.dedup_by_key(|(name, _)| *name);
        write(client, Uuid::now_v7(), &columns).await;
    }
    client.batch_execute("select omniq.recount()").await.unwrap();
    let last = backend.enqueue_many((3..6).map(good).collect()).await.unwrap();
    look(backend, client).await;

    tokio::time::timeout(PATIENCE, worker(backend).run_until_idle()).await.expect("it ends").unwrap();
    for id in first.iter().chain(&last) {
        let result = backend.result(*id).await.unwrap().expect("a good task has run");
        assert_eq!(result.status, ResultStatus::Completed);
    }
    let running = TaskFilter { state: Some(TaskState::Running), ..TaskFilter::default() };
    assert_eq!(queue.count(&running).await.unwrap(), 0, "nothing is held for ever");
    look(backend, client).await;
    queue.expired(100).await.unwrap();
    queue.lost(100).await.unwrap();
    queue.prune(100).await.unwrap();
    queue.maintain().await.unwrap();

    for task in queue.list(&TaskFilter::default()).await.unwrap() {
        backend.cancel(task.id).await.unwrap();
        if queue.get(task.id).await.unwrap().is_some() {
            queue.delete(task.id).await.unwrap();
        }
    }
    let left = "select coalesce(string_agg(to_jsonb(t)::text, ', '), '') from omniq.tasks t";
    let left: String = client.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, "", "all could be deleted by id");
}

/// Every way to read.
async fn look(backend: &AsyncPostgresBackend, client: &Client) {
    let listed = backend.queue().list(&TaskFilter::default()).await.unwrap();
    assert_eq!(listed.len() as i64, number(client, "select count(*) from omniq.task_list").await);
    for task in listed {
        assert_eq!(backend.queue().get(task.id).await.unwrap().unwrap().id, task.id);
    }
    backend.queue().queues().await.unwrap();
    backend
        .queue()
        .count(&TaskFilter { func: Some("good".to_owned()), ..TaskFilter::default() })
        .await
        .unwrap();
    backend.results().unwrap().list(&ResultFilter::default()).await.unwrap();
    backend.events().unwrap().query(&EventFilter::default()).await.unwrap();
    client.batch_execute("select * from omniq.task_list; select * from omniq.results").await.unwrap();
}
