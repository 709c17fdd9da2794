//! Rows that other programs have written past the library's checks: each fails alone and stops nothing else (issue 12, C1).

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresBackend;
use omniq_postgres::settings::Settings;
use omniq_testkit::TestDb;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::Client;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(60);
/// As in the library's own sessions: the triggers check nothing.
const UNCHECKED: &str = "set omniq.direct = on";

async fn open(db: &TestDb) -> (AsyncPostgresBackend, Client) {
    let settings = Settings::builder().url(db.url()).events("postgres").build().unwrap();
    (AsyncPostgresBackend::with_settings(&settings).await.unwrap(), db.client().await)
}

fn worker(backend: &AsyncPostgresBackend) -> Worker {
    let good = |value: i64, _: Context| async move { Ok::<_, Failure>(value) };
    Worker::builder(backend).register("good", good).build().unwrap()
}

fn good(value: i64) -> NewTask {
    NewTask::new("good", &value).unwrap()
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

/// Writes a task with these columns set to these expressions. Returns whether the table accepted it.
async fn write(client: &Client, id: Uuid, columns: &[(&str, String)]) -> bool {
    let mut all = vec![
        ("id", format!("'{id}'")),
        ("queue", "'default'".to_owned()),
        ("func", "'good'".to_owned()),
        ("payloads", "array['1']::bytea[]".to_owned()),
        ("state", "1".to_owned()),
        ("run_at", "now()".to_owned()),
        ("created_at", "now()".to_owned()),
    ];
    all.retain(|(name, _)| columns.iter().all(|(other, _)| other != name));
    all.extend(columns.iter().cloned());
    let (names, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    let sql = format!("insert into omniq.tasks ({}) values ({})", names.join(", "), values.join(", "));
    match client.batch_execute(&sql).await {
        Ok(()) => true,
        Err(error) => {
            assert!(error.as_db_error().is_some(), "{error:?}");
            false
        }
    }
}

fn deep(levels: usize) -> String {
    format!("(repeat('{{\"a\":', {levels}) || '1' || repeat('}}', {levels}))::jsonb")
}

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

/// A row that cannot be read becomes a dead letter with a result and an event that name the column; the good tasks
/// of a segment run.
#[tokio::test]
async fn c22_a_row_that_cannot_be_read_becomes_a_dead_letter() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    client.batch_execute(UNCHECKED).await.unwrap();
    let base = Uuid::from_u128(Uuid::now_v7().as_u128() & !0xffff);
    let places = [0, 1, 2].map(|place| TaskId::from(Uuid::from_u128(base.as_u128() + place)));
    let three = "array['10', null, '12']::bytea[]".to_owned();
    assert!(write(&client, base, &[("count", "3".to_owned()), ("payloads", three)]).await);
    let bad = Uuid::now_v7();
    assert!(write(&client, bad, &[("metadata", "'{\"a\": 1e400}'".to_owned())]).await);
    client.batch_execute("select omniq.recount()").await.unwrap();
    let seen = backend.queue().get(bad.into()).await.unwrap().unwrap();
    assert!(seen.unreadable.as_ref().unwrap().contains("metadata"), "{seen:?}");
    assert_eq!(seen.state, TaskState::Ready);

    worker(&backend).run_until_idle().await.unwrap();
    for (id, word) in [(TaskId::from(bad), "column metadata"), (places[1], "column payloads")] {
        let task = backend.queue().get(id).await.unwrap().unwrap();
        let result = backend.result(id).await.unwrap().unwrap();
        for error in [task.error.unwrap(), result.error.unwrap()] {
            assert_eq!(error.kind, "unreadable", "{error:?}");
            assert!(error.message.contains(word), "{error:?}");
        }
        assert_eq!((task.state, result.status), (TaskState::Dead, ResultStatus::Failed));
        let filter =
            EventFilter { task_id: Some(id), kind: Some(EventKind::Failed), ..EventFilter::default() };
        assert_eq!(backend.events().unwrap().query(&filter).await.unwrap().len(), 1);
    }
    for place in [0, 2] {
        let value = backend.result(places[place]).await.unwrap().unwrap().value.unwrap();
        assert_eq!(value.decode::<usize>().unwrap(), 10 + place);
    }
    backend.queue().delete_many(&[bad.into(), places[1]]).await.unwrap();
    backend.close().await.unwrap();
}

/// The same without a worker and without results: a plain dequeue gets the other tasks.
#[tokio::test]
async fn c15_a_bare_dequeue_passes_over_what_cannot_be_read() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    client.batch_execute(UNCHECKED).await.unwrap();
    let bad = Uuid::now_v7();
    assert!(write(&client, bad, &[("metadata", deep(300))]).await);
    client.batch_execute("select omniq.recount()").await.unwrap();
    let id = backend.enqueue(good(1)).await.unwrap();
    let queue = backend.queue();
    let request = || Dequeue::from(["default"]).timeout(Duration::from_secs(1));
    assert_eq!(queue.dequeue(request()).await.unwrap().unwrap().id, id);
    assert!(queue.dequeue(Dequeue::from(["default"])).await.unwrap().is_none());
    assert_eq!(queue.get(bad.into()).await.unwrap().unwrap().state, TaskState::Dead);
    backend.close().await.unwrap();
}

/// A row whose times are infinite or extreme can be retried and snoozed together with others.
#[tokio::test]
async fn c22_extreme_times_do_not_fail_a_batch() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    client.batch_execute(UNCHECKED).await.unwrap();
    let mut odd = Vec::new();
    for (run_at, expires_at) in [("-infinity", "infinity"), ("4713-01-01 BC", "294276-01-01")] {
        odd.push(Uuid::now_v7());
        let columns = [("run_at", format!("'{run_at}'")), ("expires_at", format!("'{expires_at}'"))];
        assert!(write(&client, odd[odd.len() - 1], &columns).await);
    }
    client.batch_execute("select omniq.recount()").await.unwrap();
    backend.enqueue(good(1).ttl(Duration::from_secs(60))).await.unwrap();
    let queue = backend.queue();
    let tasks = queue.dequeue_many(Dequeue::from(["default"]).limit(10)).await.unwrap();
    assert_eq!(tasks.len(), 3);
    let failed: Vec<_> = tasks.into_iter().map(|task| (task, TaskError::new("a", "b"))).collect();
    queue.fail_many(failed).await.unwrap();
    let ids: Vec<TaskId> = odd.into_iter().map(TaskId::from).collect();
    queue.retry_many(&ids).await.unwrap();
    let update = TaskUpdate {
        run_at: Some(jiff::Timestamp::now() + Duration::from_secs(60)),
        ..TaskUpdate::default()
    };
    for id in ids {
        queue.update(id, update.clone()).await.unwrap();
    }
    backend.close().await.unwrap();
}

/// Results and events that cannot be read fail alone; lists, counts and other results still work.
#[tokio::test]
async fn c23_a_result_or_event_that_cannot_be_read_fails_alone() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    let id = backend.enqueue(good(7)).await.unwrap();
    worker(&backend).run_until_idle().await.unwrap();
    client.batch_execute(UNCHECKED).await.unwrap();
    let odd = [
        ("status", "'odd'", "column status"),
        ("codec", "'yaml'", "column codec"),
        ("metadata", "'{\"a\": 1e400}'", "column metadata"),
        ("metadata", "'5'", "column metadata"),
        ("error", "'5'", "column error"),
        ("attempt", "-5", ""),
        ("finished_at", "'-infinity'", ""),
        ("finished_at", "'infinity'", ""),
    ];
    let mut bad = Vec::new();
    for (column, value, words) in odd {
        let one = Uuid::now_v7();
        let finished = if column == "finished_at" { "" } else { ", finished_at" };
        let now = if finished.is_empty() { "" } else { ", now()" };
        let (status, completed) = if column == "status" { ("", "") } else { (", status", ", 'completed'") };
        let (codec, json) = if column == "codec" { ("", "") } else { (", codec", ", 'json'") };
        let sql = format!(
            "insert into omniq.result_segments (task_id, queue, func, expires_at, \"values\", {column}{finished}{status}{codec})
             values ('{one}', 'q', 'f', 'infinity', array['1']::bytea[], {value}{now}{completed}{json})"
        );
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        bad.push((one, words));
    }
    client
        .batch_execute(
            "insert into omniq.events (at, kind, data, attempt) values
             (now(), '', '{}', 1), (now(), 'a', '{\"a\": 1e400}', 1), ('infinity', 'a', '5', -1), ('-infinity', 'b', null, null)",
        )
        .await
        .unwrap();

    let results = backend.results().unwrap();
    assert_eq!(results.list(&ResultFilter::default()).await.unwrap().len(), 1 + bad.len());
    assert_eq!(backend.wait(id, PATIENCE).await.unwrap().value.unwrap().decode::<i64>().unwrap(), 7);
    for (one, words) in &bad {
        let result = backend.wait((*one).into(), PATIENCE).await.unwrap();
        if ["column status", "column codec"].contains(words) {
            assert_eq!(result.status, ResultStatus::Failed);
        } else {
            assert_eq!(result.value.unwrap().decode::<i64>().unwrap(), 1, "{words}: what can be read is");
        }
        let told = result.error.map(|error| error.message).unwrap_or_default();
        assert!(told.contains(words), "{told} should name {words:?}");
        assert!(results.delete((*one).into()).await.unwrap());
    }
    let events = backend.events().unwrap().query(&EventFilter::default()).await.unwrap();
    let told = events.iter().filter(|event| event.data.contains_key("unreadable")).count();
    assert_eq!((events.len(), told), (3 + 4, 3));
    backend.close().await.unwrap();
}

/// The SQL functions refuse values that the library could not read, and write nothing.
#[tokio::test]
async fn c21_the_sql_functions_refuse_what_cannot_be_read() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    let nested = |levels| format!("select omniq.enqueue('f', metadata => {})", deep(levels));
    let many = "select omniq.enqueue_many(array[null, null]::uuid[], '{q,q}', '{f,f}', '{json,json}', array['1', null]::bytea[],
        '{0,0}', '{3,3}', array[null, null]::timestamptz[], array[null, null]::float8[], array[null, null]::float8[],
        array[null, null]::text[], array[null, null]::text[])";
    let large = "select omniq.enqueue('f', metadata => jsonb_build_object('a', repeat('x', 70000)))";
    for (sql, code, words) in [
        ("select omniq.enqueue('f', null)", "23502", "a payload is null"),
        (many, "23502", "a payload is null"),
        ("select omniq.enqueue('f', max_retries => null)", "23502", "max_retries is null"),
        ("select omniq.enqueue('f', '[1e400]')", "OQ002", "payload holds the number 1000"),
        (
            "select omniq.enqueue('f', metadata => '{\"a\": 1e400}')",
            "OQ002",
            "metadata holds the number 1000",
        ),
        (
            "select omniq.enqueue('f', metadata => '{\"a\": [1180591620717411303424]}')",
            "OQ002",
            "1180591620717411303424",
        ),
        (&nested(128), "OQ002", "nested too deep"),
        (&nested(300), "OQ002", "nested too deep"),
        (large, "OQ002", "70009 bytes"),
        ("select omniq.enqueue('f', run_at => 'infinity')", "OQ002", "run_at"),
    ] {
        let error = client.query(sql, &[]).await.expect_err(sql);
        let db = error.as_db_error().unwrap();
        assert_eq!((db.code().code(), db.message().contains(words)), (code, true), "{sql}: {db:?}");
    }
    assert_eq!(number(&client, "select count(*) from omniq.tasks").await, 0);
    for sql in [
        &nested(127),
        "select omniq.enqueue('f', '[1180591620717411303424]')",
        "select omniq.enqueue('f', metadata => '{\"a\": [18446744073709551615, -9223372036854775808, 0.1]}')",
    ] {
        client.query(sql, &[]).await.expect(sql);
    }
    let listed = backend.queue().list(&TaskFilter::default()).await.unwrap();
    assert!(listed.len() == 3 && listed.iter().all(|task| task.unreadable.is_none()), "{listed:?}");
    backend.close().await.unwrap();
}
