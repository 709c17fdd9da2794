//! Partitions of results and events by time: any session makes them when they are needed, and they are dropped as a whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use omniq_core::*;
use omniq_postgres::{AsyncPostgresBackend, settings::Settings};
use omniq_testkit::TestDb;
use tokio_postgres::Client;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn backend(db: &TestDb) -> AsyncPostgresBackend {
    let settings = Settings::builder().url(db.url()).events("postgres").build().unwrap();
    AsyncPostgresBackend::with_settings(&settings).await.unwrap()
}

fn result(ttl: Duration) -> TaskResult {
    let mut result = TaskResult::new(TaskId::new(), ResultStatus::Completed);
    (result.queue, result.func) = ("default".into(), "f".into());
    result.ttl = Some(ttl);
    result
}

async fn number(db: &TestDb, sql: &str) -> i64 {
    db.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

/// As if everything had happened this much earlier.
async fn let_pass(db: &TestDb, kind: &str, table: &str, key: &str, span: &str) {
    let sql = format!(
        "do $$ declare p record; begin
            for p in delete from omniq.{kind}_partitions returning * loop
                execute format('alter table omniq.{table} detach partition omniq.%I', p.name);
                execute format('update omniq.%I set {key} = {key} - interval ''{span}''', p.name);
                execute format('alter table omniq.%I rename to %I', p.name, 'old_' || p.name);
                execute format('alter table omniq.{table} attach partition omniq.%I for values from (%L) to (%L)',
                    'old_' || p.name, p.starts - interval '{span}', p.ends - interval '{span}');
                insert into omniq.{kind}_partitions
                values ('old_' || p.name, p.starts - interval '{span}', p.ends - interval '{span}');
            end loop;
        end $$"
    );
    db.client().await.batch_execute(&sql).await.unwrap();
}

async fn let_results_pass(db: &TestDb, span: &str) {
    let_pass(db, "results", "result_segments", "expires_at", span).await;
}

async fn let_events_pass(db: &TestDb, span: &str) {
    let_pass(db, "events", "events", "taken_at", span).await;
}

const TABLES: &str = "select count(*) from pg_inherits where inhparent = 'omniq.result_segments'::regclass";
const ROWS: &str = "select count(*) from omniq.results";

#[tokio::test]
async fn c23_results_go_by_whole_partitions() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    results.store_many((0..100).map(|_| result(HOUR)).collect()).await.unwrap();
    results.store(result(7 * DAY)).await.unwrap();
    let mut kept = result(HOUR);
    kept.ttl = None;
    results.store(kept.clone()).await.unwrap();
    assert_eq!(number(&db, TABLES).await, 3);

    results.maintain(None).await.unwrap();
    assert_eq!(number(&db, ROWS).await, 102, "none is over");
    let_results_pass(&db, "3 hours").await;
    results.maintain(None).await.unwrap();
    assert_eq!(number(&db, ROWS).await, 2, "an hour's partition is gone, with all that it held");
    let_results_pass(&db, "9 days").await;
    results.maintain(None).await.unwrap();
    assert_eq!((number(&db, TABLES).await, number(&db, ROWS).await), (1, 1), "without end is without end");
    assert!(results.get(kept.task_id).await.unwrap().is_some());
    // The next partition that is needed is made again.
    results.store(result(HOUR)).await.unwrap();
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c23_a_few_partitions_serve_any_time_to_live() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    for ttl in [Duration::from_millis(50), HOUR, 7 * DAY, 365 * DAY] {
        // The partitions that are made while one time to live passes.
        let step =
            format!("make_interval(secs => {})", (ttl.as_secs_f64() / 8.0 / 3600.0).ceil().max(1.0) * 3600.0);
        let sql = format!(
            "select omniq.make_results_partition(make_interval(secs => {}::float8 * n / 100), {step}) from generate_series(0, 100) n",
            ttl.as_secs_f64()
        );
        db.client().await.batch_execute(&sql).await.unwrap();
        results.maintain(Some(ttl)).await.unwrap();
        results.store(result(ttl)).await.unwrap();
    }
    let tables = number(&db, TABLES).await;
    assert!(tables <= 26, "{tables}");
    let gaps = "select count(*) from omniq.results_partitions a, omniq.results_partitions b
        where a.name < b.name and a.starts < b.ends and b.starts < a.ends";
    assert_eq!(number(&db, gaps).await, 0, "none overlap");
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c23_maintenance_waits_for_no_reader() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    results.store(result(HOUR)).await.unwrap();
    let_results_pass(&db, "3 hours").await;
    let mut reader = db.client().await;
    let reading = reader.transaction().await.unwrap();
    reading.query_one(ROWS, &[]).await.unwrap();
    let begun = Instant::now();
    results.maintain(None).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(reading.query_one(ROWS, &[]).await.unwrap().get::<_, i64>(0), 1, "still there");
    reading.commit().await.unwrap();
    results.maintain(None).await.unwrap();
    assert_eq!(number(&db, ROWS).await, 0);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c23_many_may_need_the_same_partition_at_once() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let results = backend.results().unwrap();
    let same: Vec<_> = (0..50).map(|_| result(HOUR)).collect();
    let stores = (0..8).map(|_| {
        let (results, same) = (results.clone(), same.clone());
        tokio::spawn(async move {
            for _ in 0..5 {
                results.store_many(same.clone()).await.unwrap();
                results.store(result(3 * DAY)).await.unwrap();
            }
        })
    });
    for store in stores.collect::<Vec<_>>() {
        store.await.unwrap();
    }
    assert_eq!(number(&db, ROWS).await, 50 + 40, "one for each task");
    backend.close().await.unwrap();
}

/// A result of an earlier run is replaced, as that of a dead letter that was retried. An id can be used again once its result is removed.
#[tokio::test]
async fn c23_there_is_one_result_per_task_also_in_a_second_life() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let (queue, results) = (backend.queue(), backend.results().unwrap());
    let take = async || queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let new = || NewTask::new("f", &1).unwrap().max_retries(0);
    let dead = backend.enqueue(new()).await.unwrap();
    backend.fail(&take().await, TaskError::new("E", "first")).await.unwrap();
    assert_eq!(results.get(dead).await.unwrap().unwrap().status, ResultStatus::Failed);
    queue.retry(dead).await.unwrap();
    backend.complete(&take().await, None).await.unwrap();
    assert_eq!(results.get(dead).await.unwrap().unwrap().status, ResultStatus::Completed);
    assert_eq!(number(&db, ROWS).await, 1);

    let chosen = TaskId::new();
    for value in 1..=3 {
        if value > 1 {
            assert!(backend.enqueue(new().id(chosen)).await.unwrap_err().is_duplicate());
            assert!(results.delete(chosen).await.unwrap());
        }
        backend.enqueue(new().id(chosen)).await.unwrap();
        backend.complete(&take().await, Some(Payload::json(&value).unwrap())).await.unwrap();
        let found = results.get(chosen).await.unwrap().unwrap();
        assert_eq!(found.value.unwrap().decode::<i32>().unwrap(), value);
    }
    let sql = format!("select omniq.enqueue('f', id => '{chosen}')");
    assert!(results.delete(chosen).await.unwrap());
    db.client().await.batch_execute(&sql).await.unwrap();
    backend.complete(&take().await, None).await.unwrap();
    // And in a segment with other tasks.
    assert!(results.delete(chosen).await.unwrap());
    queue.enqueue_many(vec![new(), new().id(chosen), new()]).await.unwrap();
    for _ in 0..3 {
        backend.complete(&take().await, None).await.unwrap();
    }
    assert_eq!(number(&db, ROWS).await, 4);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c25_events_go_by_the_day() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let events = backend.events().unwrap();
    let mut old = TaskEvent::new(EventKind::Started);
    // An event is kept as long as any other, whatever the writer's clock says.
    old.at = Timestamp::now() - jiff::SignedDuration::from_hours(24 * 400);
    events.log_many(vec![old, TaskEvent::new(EventKind::Completed)]).await.unwrap();
    let rows = "select count(*) from omniq.events";
    events.maintain(Some(30 * DAY)).await.unwrap();
    assert_eq!(number(&db, rows).await, 2);
    let days = "select count(*) from omniq.events_partitions";
    assert_eq!(number(&db, days).await, 2, "today and tomorrow");
    let_events_pass(&db, "20 days").await;
    events.maintain(Some(30 * DAY)).await.unwrap();
    assert_eq!(number(&db, rows).await, 2);
    let_events_pass(&db, "14 days").await;
    events.maintain(None).await.unwrap();
    assert_eq!(number(&db, rows).await, 2, "without end");
    events.maintain(Some(30 * DAY)).await.unwrap();
    assert_eq!(number(&db, rows).await, 0);
    backend.close().await.unwrap();
}

/// Issue 12, E1: a plan that is made while a partition is attached must be made again. PostgreSQL does that for tables that a statement
/// names, but not for those of a function in SQL that is inlined into it (docs/decisions/0035).
#[tokio::test]
async fn functions_in_sql_read_no_partitioned_table() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let reading = "
        select array_agg(distinct p.proname::text)
        from pg_depend d
        join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
        join pg_language l on l.oid = p.prolang
        join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
        where l.lanname = 'sql' and (c.relkind = 'p' or c.relispartition)";
    let functions: Option<Vec<String>> = db.client().await.query_one(reading, &[]).await.unwrap().get(0);
    assert_eq!(functions, None);
    backend.close().await.unwrap();
}

/// Found by a run of the suite on a busy machine: a commit is visible a moment before other sessions are notified of the partition that it
/// made. A call that found the partition already made tried again at once, three times, and failed.
#[tokio::test]
async fn a_partition_that_another_session_made_is_waited_for_until_all_are_notified() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let event = TaskEvent::new(EventKind::Custom("seen".into()));
    backend.events().unwrap().log(event).await.unwrap();
    let maker = db.client().await;
    // The lock that a maker holds until then.
    maker
        .batch_execute("begin; lock table omniq.events_partitions in share row exclusive mode")
        .await
        .unwrap();
    let other = db.client().await;
    let made = tokio::spawn(async move {
        let sql = "select omniq.make_events_partition(interval '0', interval '1 day')";
        other.query_one(sql, &[]).await.unwrap().get::<_, bool>(0)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!made.is_finished(), "it did not wait for the maker");
    maker.batch_execute("commit").await.unwrap();
    assert!(!made.await.unwrap());
    backend.close().await.unwrap();
}

/// A user's transaction, which may last long, has logged an event: another session can make a partition in the meantime.
#[tokio::test]
async fn a_transaction_that_needed_a_partition_holds_up_none_that_makes_another() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    backend.events().unwrap().log(TaskEvent::new(EventKind::Custom("seen".into()))).await.unwrap();
    let events = "select omniq.make_events_partition(interval '0', interval '1 day')";
    let later = "select omniq.make_events_partition(interval '40 days', interval '1 day')";
    let made = async |sql: &'static str, client: &Client| {
        client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0)
    };
    let logged = "select omniq.log_enqueued(array[gen_random_uuid()], array['q'], array['f'])";

    // The transaction found the partition.
    let lasting = db.client().await;
    lasting.batch_execute(&format!("begin; {events}; {logged}")).await.unwrap();
    assert!(made(later, &db.client().await).await);
    lasting.batch_execute("commit").await.unwrap();

    // The transaction waited for another session that made the partition.
    let (first, second) = (db.client().await, Arc::new(db.client().await));
    let next = "select omniq.make_events_partition(interval '90 days', interval '1 day')";
    first.batch_execute("begin").await.unwrap();
    assert!(made(next, &first).await);
    second.batch_execute("begin").await.unwrap();
    let waits = {
        let second = Arc::clone(&second);
        tokio::spawn(async move { second.query_one(next, &[]).await.unwrap().get::<_, bool>(0) })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    first.batch_execute("commit").await.unwrap();
    assert!(!waits.await.unwrap());
    let other = "select omniq.make_events_partition(interval '200 days', interval '1 day')";
    assert!(made(other, &first).await);

    // The transaction keeps its first snapshot, and does not see partitions that were made since.
    second.batch_execute("commit; begin isolation level repeatable read; select").await.unwrap();
    let last = "select omniq.make_events_partition(interval '300 days', interval '1 day')";
    made("select count(*) > 0 from omniq.events_partitions", &second).await;
    assert!(made(last, &first).await);
    assert!(!made(last, &second).await);
    assert!(made("select omniq.make_events_partition(interval '500 days', interval '1 day')", &first).await);
    second.batch_execute(&format!("{logged}; commit")).await.unwrap();
    assert_eq!(backend.events().unwrap().count(&EventFilter::default()).await.unwrap(), 3);
    backend.close().await.unwrap();
}

/// An enqueue inside a transaction makes the partition of its event if there is none.
#[tokio::test]
async fn an_enqueued_event_finds_its_partition_or_makes_it() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let client = db.client().await;
    client
        .batch_execute("delete from omniq.events_partitions; do $$ declare part text; begin
             for part in select inhrelid::regclass::text from pg_inherits where inhparent = 'omniq.events'::regclass loop
                 execute 'drop table ' || part;
             end loop;
             end $$")
        .await
        .unwrap();
    for logged in 1..=2_i64 {
        client
            .batch_execute("select omniq.log_enqueued(array[gen_random_uuid()], array['q'], array['f'])")
            .await
            .unwrap();
        let events = client.query_one("select count(*) from omniq.events", &[]).await.unwrap();
        assert_eq!(events.get::<_, i64>(0), logged);
    }
    backend.close().await.unwrap();
}

/// A session under load did not find a partition that others had used before, for three seconds. The results of that time
/// were refused as bad values, and their tasks failed for good.
#[tokio::test]
async fn results_wait_for_a_partition_that_is_registered_and_not_found() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let client = db.client().await;
    let hidden = "insert into omniq.results_partitions values ('hidden', now(), now() + interval '30 days')";
    client.execute(hidden, &[]).await.unwrap();
    let refused = backend.results().unwrap().store(result(DAY)).await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");

    let worker = Worker::builder(&backend).register("f", async |(): (), _: Context| Ok::<_, Failure>("kept"));
    let worker = worker.build().unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    let id = backend.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.execute("delete from omniq.results_partitions where name = 'hidden'", &[]).await.unwrap();
    let value: String = backend.wait_for(id, Duration::from_secs(30)).await.unwrap();
    assert_eq!(value, "kept");
    handle.stop();
    running.await.unwrap().unwrap();
}

/// Found in a last reading of the mend above: a task is settled without its events rather than not at all.
#[tokio::test]
async fn a_partition_of_events_that_is_not_found_keeps_no_task_from_its_end() {
    let db = TestDb::new().await;
    let backend = backend(&db).await;
    let worker = Worker::builder(&backend).register("f", async |(): (), _: Context| Ok::<_, Failure>("kept"));
    let worker = worker.build().unwrap();
    let id = backend.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap();
    let client = db.client().await;
    let partition: String =
        client.query_one("select name from omniq.events_partitions", &[]).await.unwrap().get(0);
    client
        .batch_execute(&format!("alter table omniq.events detach partition omniq.{partition}"))
        .await
        .unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    let value: String = backend.wait_for(id, Duration::from_secs(30)).await.unwrap();
    assert_eq!(value, "kept");
    handle.stop();
    running.await.unwrap().unwrap();
}
