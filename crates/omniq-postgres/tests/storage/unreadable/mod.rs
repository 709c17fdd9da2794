//! Rows that other programs have written past the library's checks: each fails alone and stops nothing else (issue 12, C1).

mod random;

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
