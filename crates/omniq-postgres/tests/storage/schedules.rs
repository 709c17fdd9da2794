//! Schedules that cannot be read, or that others hold, hold up no others; changes at the same time wait for nothing but each other.

use std::time::{Duration, Instant};

use omniq_core::*;
use omniq_postgres::AsyncPostgresBackend;
use omniq_testkit::{TestDb, eventually};
use tokio_postgres::Client;

const LONG: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_secs(30);
/// Far less than the rests, and more than a busy machine needs.
const LATE: f64 = 2.0;

async fn open(db: &TestDb) -> (AsyncPostgresBackend, Client) {
    (AsyncPostgresBackend::connect(&db.url()).await.unwrap(), db.client().await)
}

fn often(name: &str) -> Schedule {
    let task = NewTask::new("noop", &1).unwrap();
    Schedule::new(name, Timing::every(Duration::from_millis(100)).unwrap(), task).unwrap()
}

/// Schedules in a time zone that this program does not know, due for an hour.
async fn add_bad(client: &Client, count: i32) {
    let sql = "insert into omniq.schedules (name, created_at, anchor, next_at, definition, payload)
               select 'bad ' || n, now(), now(), now() - interval '1 hour', d.definition, 'null'
               from generate_series(1, $1) n,
                    (select jsonb_build_object('cron', '* * * * *', 'time_zone', 'Mars/Base', 'missed', 'once', 'grace', 60, 'overlap', true,
                         'task', jsonb_build_object('queue', 'default', 'func', 'noop', 'codec', 'json', 'priority', 0, 'max_retries', 3))) d(definition)";
    client.execute(sql, &[&count]).await.unwrap();
}

/// Runs a worker until the schedule has enqueued so many tasks, and returns the seconds from a tick to its enqueue that nine of ten keep.
async fn lateness(backend: &AsyncPostgresBackend, client: &Client, name: &str, count: i64) -> f64 {
    let noop = |n: i64, _: Context| async move { Ok::<_, Failure>(n) };
    // A worker that rested because of a schedule would rest for ever longer times, up to this one.
    let worker = Worker::builder(backend).maintenance_interval(REST).register("noop", noop).build().unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    let late = "select count(*), percentile_cont(0.9) within group (order by extract(epoch from enqueued_at - (metadata->>'tick')::timestamptz))
                from omniq.results where metadata->>'schedule' = $1";
    let middle = eventually("the ticks have come", LONG, async || {
        let row = client.query_one(late, &[&name]).await.unwrap();
        (row.get::<_, i64>(0) >= count).then(|| row.get::<_, f64>(1))
    })
    .await;
    handle.stop();
    running.await.unwrap().unwrap();
    middle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_bad_schedules_hold_up_no_other() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    add_bad(&client, 150).await;
    let schedules = backend.require_schedules().unwrap();
    schedules.save(often("good")).await.unwrap();
    let late = lateness(&backend, &client, "good", 60).await;
    assert!(late < LATE, "{late}");
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_locked_schedule_holds_up_no_other() {
    let db = TestDb::new().await;
    let (backend, mut client) = open(&db).await;
    let schedules = backend.require_schedules().unwrap();
    let worker = backend.queue().register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    schedules.declare(worker, "shop", vec![often("held")]).await.unwrap();
    backend.queue().deregister_worker(worker).await.unwrap();
    schedules.save(often("good")).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.query("select from omniq.schedules where name = 'held' for update", &[]).await.unwrap();
    let late = lateness(&backend, &db.client().await, "good", 60).await;
    assert!(late < LATE, "{late}");
    // It has left the code. The start of a worker neither waits for it nor removes it.
    let begun = Instant::now();
    let worker = backend.queue().register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    schedules.declare(worker, "shop", vec![often("other")]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(schedules.get("held").await.unwrap().is_some());
    transaction.rollback().await.unwrap();
    assert_eq!(schedules.remove_undeclared().await.unwrap(), 1);
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_schedule_that_cannot_be_read_is_replaced() {
    let db = TestDb::new().await;
    let (backend, client) = open(&db).await;
    let schedules = backend.require_schedules().unwrap();
    add_bad(&client, 1).await;
    client
        .batch_execute(
            "update omniq.schedules set definition = definition || '{\"every\": \"often\", \"at\": 7}'",
        )
        .await
        .unwrap();
    schedules.save(often("good")).await.unwrap();
    let listed = schedules.list(&ScheduleFilter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|saved| saved.schedule.name.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(client.query("select * from omniq.schedule_list", &[]).await.unwrap().len(), 2);
    let error = schedules.get("bad 1").await.unwrap_err();
    assert!(error.message().contains("\"bad 1\""), "{error:?}");
    schedules.pause("bad 1").await.unwrap();
    let saved = schedules.save(often("bad 1")).await.unwrap();
    assert_eq!((saved.version, saved.paused_at.is_some()), (2, true));
    assert_eq!(schedules.get("bad 1").await.unwrap().unwrap(), saved);
    let infinite =
        client.batch_execute("update omniq.schedules set next_at = '-infinity'").await.unwrap_err();
    assert!(infinite.as_db_error().unwrap().constraint() == Some("finite_times"), "{infinite:?}");
    backend.close().await.unwrap();
}

/// A save that another one has overtaken reads again, and does not try the same again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_save_that_was_overtaken_reads_again() {
    let db = TestDb::new().await;
    let (backend, mut client) = open(&db).await;
    let schedules = backend.require_schedules().unwrap();
    schedules.save(often("one")).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("update omniq.schedules set version = version + 1", &[]).await.unwrap();
    let save = tokio::spawn(async move { schedules.save(often("one").overlap(false)).await });
    let other = db.client().await;
    eventually("the save waits", LONG, async || {
        let waits = "select count(*) from pg_locks where not granted";
        (other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
    })
    .await;
    let begun = Instant::now();
    transaction.commit().await.unwrap();
    let saved = save.await.unwrap().unwrap();
    assert_eq!((saved.version, saved.schedule.overlap), (3, false));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    backend.close().await.unwrap();
}
