//! C21: enqueue from any language by the functions of the schema.

use omniq::prelude::*;
use omniq_testkit::{TestDb, eventually};
use uuid::Uuid;

use crate::witness::{PATIENCE, echo_worker, number, rows};

async fn open() -> (TestDb, AsyncPostgresBackend, tokio_postgres::Client) {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let witness = db.client().await;
    (db, backend, witness)
}

/// The shortest form, and all arguments; a rollback leaves nothing, a commit wakes an idle worker.
#[tokio::test]
async fn c21_the_sql_function_enqueues_in_the_callers_transaction() {
    let (_db, backend, mut witness) = open().await;
    let worker = echo_worker(&backend);
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let listeners = "select count(*) from omniq.listeners";
    eventually("it sleeps", PATIENCE, async || (number(&witness, listeners).await == 1).then_some(())).await;

    let transaction = witness.transaction().await.unwrap();
    transaction.query_one("select omniq.enqueue('echo', '[0]')", &[]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);

    let id: Uuid =
        witness.query_one("select omniq.enqueue('echo', '[1, \"two\"]')", &[]).await.unwrap().get(0);
    let result = backend.wait(id.into(), PATIENCE).await.unwrap();
    assert_eq!(result.value.unwrap().bytes().as_ref(), br#"[1,"two"]"#);
    stop.stop();
    running.await.unwrap().unwrap();

    let given = Uuid::new_v4();
    let sql =
        "select omniq.enqueue(func => 'f', payload => '{\"a\": null}', queue => 'q ''\"', priority => -7,
        delay => '90 minutes', ttl => '2 days', max_retries => 0, metadata => '{\"who\": \"me\"}', id => $1)";
    assert_eq!(witness.query_one(sql, &[&given]).await.unwrap().get::<_, Uuid>(0), given);
    let task = backend.queue().get(given.into()).await.unwrap().unwrap();
    assert_eq!(
        (task.func.as_str(), task.queue.as_str(), task.priority, task.max_retries),
        ("f", "q '\"", -7, 0)
    );
    assert_eq!(task.state, omniq::TaskState::Scheduled);
    assert_eq!(task.metadata["who"], "me");
    let span = |from: jiff::Timestamp, to: jiff::Timestamp| to.duration_since(from).as_secs();
    assert_eq!(span(task.created_at, task.run_at), 90 * 60);
    assert_eq!(span(task.run_at, task.expires_at.unwrap()), 2 * 24 * 3600);

    // The ids are of the same kind as those of the library, and all are different.
    let sql = "select count(distinct id), count(*) filter (where id::text ~ '-7...-[89ab].*0000$')
        from (select omniq.enqueue('f') as id from generate_series(1, 1000)) made";
    let row = witness.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1000, 1000));
    backend.close().await.unwrap();
}

/// The shortest form has no arguments, as a function without parameters takes them.
#[tokio::test]
async fn c21_a_task_without_arguments_runs() {
    let (_db, backend, witness) = open().await;
    let id: Uuid = witness.query_one("select omniq.enqueue('plain')", &[]).await.unwrap().get(0);
    let worker = Worker::builder(&backend)
        .register("plain", |(): (), _: Context| async { Ok::<_, Failure>("done") })
        .build()
        .unwrap();
    worker.run_until_idle().await.unwrap();
    let result = backend.wait(id.into(), PATIENCE).await.unwrap();
    assert_eq!(result.value.unwrap().decode::<String>().unwrap(), "done");
    backend.close().await.unwrap();
}

/// Many tasks by arrays, with the function that all other functions use.
#[tokio::test]
async fn c21_the_sql_function_for_many_enqueues_all_or_none() {
    let (_db, backend, witness) = open().await;
    let call = |queues: &str, ttls: &str| {
        format!(
            "select omniq.enqueue_many(array[null, null]::uuid[], {queues}, array['echo', 'echo'], array['json', 'json'],
             array['1', '2']::bytea[], array[0, 0]::smallint[], array[3, 3], array[null, null]::timestamptz[],
             array[null, null]::float8[], {ttls}, array[null, null]::text[], array[null, null]::text[])"
        )
    };
    let made = witness.query(&call("array['a', 'b']", "array[null, 60]::float8[]"), &[]).await.unwrap();
    let ids: Vec<Uuid> = made.iter().map(|row| row.get(0)).collect();
    let queues = [&ids[0], &ids[1]].map(|id| backend.queue().get((*id).into()));
    let [first, second] = queues.map(|get| async { get.await.unwrap().unwrap() });
    assert_eq!(
        (first.await.queue, second.await.queue),
        ("a".to_owned(), "b".to_owned()),
        "in the order given"
    );

    let before = rows(&witness).await;
    for bad in [
        call("array['a', '']", "array[null, null]::float8[]"),
        call("array['a']", "array[null, null]::float8[]"),
        call("array['a', 'b']", "array[60, 0]::float8[]"),
        call("array['a', null]", "array[null, null]::float8[]"),
    ] {
        let error = witness.query(&bad, &[]).await.unwrap_err();
        assert!(error.as_db_error().is_some(), "{error:?}");
    }
    assert_eq!(rows(&witness).await, before, "a refusal writes nothing");
    backend.close().await.unwrap();
}

/// Bad input is refused with a message that names the problem, and nothing is written.
#[tokio::test]
async fn c21_the_sql_function_refuses_bad_input() {
    let (_db, backend, witness) = open().await;
    let taken: Uuid = witness.query_one("select omniq.enqueue('f')", &[]).await.unwrap().get(0);
    let before = rows(&witness).await;
    let long = format!("select omniq.enqueue('f', queue => '{}')", "x".repeat(129));
    let twice = format!("select omniq.enqueue('f', id => '{taken}')");
    let with = |max_retries: &str, options: &str, payload: &str| {
        format!(
            "select omniq.enqueue_many(array[null]::uuid[], '{{q}}', '{{f}}', '{{json}}', array['{payload}']::bytea[], '{{0}}', {max_retries},
             array[null]::timestamptz[], array[null]::float8[], array[null]::float8[], array['{options}']::text[], array[null]::text[])"
        )
    };
    for (sql, code, words) in [
        ("select omniq.enqueue('f', queue => '')", "23514", "queue_name_length"),
        (&long, "23514", "queue_name_length"),
        ("select omniq.enqueue('')", "23514", "func_name_length"),
        ("select omniq.enqueue('f', queue => E'a\\nb')", "23514", "names_without_control"),
        ("select omniq.enqueue(U&'f\\0085')", "23514", "names_without_control"),
        ("select omniq.enqueue('f', metadata => '5')", "23514", "metadata_object"),
        ("select omniq.enqueue('f', queue => null)", "23502", "queue"),
        ("select omniq.enqueue(null)", "23502", "func"),
        ("select omniq.enqueue('f', delay => '-1 second')", "OQ002", "delay -1"),
        ("select omniq.enqueue('f', ttl => '0 seconds')", "OQ002", "ttl 0"),
        ("select omniq.enqueue('f', ttl => '-1 day')", "OQ002", "ttl -86400"),
        ("select omniq.enqueue('f', ttl => '200 years')", "OQ002", "ttl"),
        ("select omniq.enqueue('f', delay => '200 years')", "OQ002", "delay"),
        ("select omniq.enqueue('f', max_retries => -1)", "23514", "max_retries_range"),
        ("select omniq.enqueue('f', priority => 40000)", "22003", "smallint"),
        ("select omniq.enqueue('f', payload => 'no json')", "22P02", "json"),
        (&twice, "23505", "tasks_id"),
        (
            "select omniq.enqueue_many(array[null]::uuid[], '{q}', '{f}', '{gzip}', array['1']::bytea[], '{0}', '{3}',
             array[null]::timestamptz[], array[null]::float8[], array[null]::float8[], array[null]::text[], array[null]::text[])",
            "23514",
            "known_codec",
        ),
        (
            "select omniq.enqueue_many(array[null]::uuid[], '{q}', '{f}', '{json}', array['1']::bytea[], '{0}', '{3}',
             array[null]::timestamptz[], array['NaN']::float8[], array[null]::float8[], array[null]::text[], array[null]::text[])",
            "OQ002",
            "NaN",
        ),
        ("select omniq.enqueue('f', delay => '1 min', run_at => now())", "OQ002", "are both given"),
        (&with("'{3,4}'", "null", "1"), "OQ002", "queues has 1 elements and max_retries has 2"),
        (&with("'{3}'", r#"{"timeout": "x"}"#, "1"), "OQ002", "option timeout"),
        (&with("'{3}'", r#"{"timeout": -1}"#, "1"), "OQ002", "option timeout = -1"),
        (&with("'{3}'", r#"{"backoff": 5}"#, "1"), "OQ002", "option backoff = 5"),
        (&with("'{3}'", r#"{"backoff": {"first": 5}}"#, "1"), "OQ002", "option backoff"),
        (&with("'{3}'", r#"{"timeout": null, "backoff": {"jitter": 5}}"#, "1"), "OQ002", "option backoff"),
        (&with("'{3}'", r#"{"foo": 1}"#, "1"), "OQ002", "option foo"),
        (&with("'{3}'", r#"{"callbacks": 5}"#, "1"), "OQ002", "callback 5 is refused"),
        (&with("'{3}'", r#"{"callbacks": [{"on": ["dead"]}]}"#, "1"), "OQ002", "callback {"),
        (&with("'{3}'", r#"{"callbacks": [{"on": ["end"], "func": "f"}]}"#, "1"), "OQ002", "callback {"),
        (&with("'{3}'", r#"{"callbacks": [{"on": [], "func": "f"}]}"#, "1"), "OQ002", "callback {"),
        (&with("'{3}'", r#"{"callbacks": [{"on": ["dead"], "func": "f", "priority": 1.5}]}"#, "1"), "OQ002", "callback {"),
        (&with("'{3}'", r#"{"callbacks": [{"on": ["dead"], "func": "f", "ttl": 5}]}"#, "1"), "OQ002", "callback {"),
        (&with("'{3}'", r#"{"callbacks": [{"on": ["dead"], "func": "f", "timeout": -5}]}"#, "1"), "OQ002", "option timeout"),
        (&with("'{3}'", "null", "{bad"), "OQ002", "no JSON"),
        (&with("'{3}'", "null", r"\xff"), "OQ002", "no JSON"),
    ] {
        let error = witness.query(sql, &[]).await.expect_err(sql);
        let db = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        let text = format!("{db:?}");
        assert_eq!(db.code().code(), code, "{sql}: {text}");
        assert!(text.contains(words), "{sql}: {text}");
    }
    assert_eq!(rows(&witness).await, before);
    backend.close().await.unwrap();
}

/// Values that only another client can write (options and metadata are free JSON there) must not make a queue unreadable.
#[tokio::test]
async fn c21_odd_json_from_another_client_does_not_stop_the_queue() {
    let (_db, backend, witness) = open().await;
    let sql = "select omniq.enqueue_many(array[null]::uuid[], '{default}', '{echo}', '{json}', array['1']::bytea[], '{0}', '{3}',
        array[null]::timestamptz[], array[null]::float8[], array[null]::float8[], array[$1]::text[], array[$2]::text[])";
    let mut taken = 0;
    for (options, metadata) in [
        ("5", "{}"),
        ("[]", "{}"),
        ("{\"backoff\": 5}", "{}"),
        ("{\"timeout\": \"soon\"}", "{}"),
        ("{\"timeout\": -1}", "{}"),
        ("{\"backoff\": {\"factor\": -3, \"initial\": 1e300}}", "{}"),
        ("{\"backoff\": {\"waits\": 5}}", "{}"),
        ("{\"backoff\": {\"waits\": [1, \"a\"]}}", "{}"),
        ("{\"backoff\": {\"waits\": [60], \"step\": 2}}", "{}"),
        ("{\"unknown\": 1}", "{}"),
        ("{}", "5"),
        ("{}", "[1]"),
    ] {
        let before = rows(&witness).await;
        match witness.query(sql, &[&options, &metadata]).await {
            Ok(_) => taken += 1,
            Err(_) => assert_eq!(rows(&witness).await, before),
        }
    }
    backend.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap();
    echo_worker(&backend).run_until_idle().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.results").await, 1 + taken);
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    backend.close().await.unwrap();
}
