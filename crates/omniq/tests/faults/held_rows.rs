//! Issue 12, C8 and C11: locks of other sessions, and statements that the server undoes, delay only the tasks that they hold.

use std::time::{Duration, Instant};

use omniq::port::{Outcome, SettleMode, Settled, Settlement, WorkerInfo};
use omniq::prelude::*;
use omniq::{Dequeue, ResultStatus, WorkerBuilder};
use omniq_testkit::{Log, TestDb, eventually};
use tokio_postgres::{Client, NoTls};

use crate::effects::{number, number_is};

pub const PATIENCE: Duration = Duration::from_secs(60);

fn task(func: &str, number: i32) -> NewTask {
    NewTask::new(func, &number).unwrap()
}

/// A worker with a function that returns its argument, and one that completes its task in a transaction and never commits.
fn worker(backend: &AsyncPostgresBackend, url: String) -> WorkerBuilder {
    Worker::builder(backend)
        .lease(Duration::from_secs(3))
        .maintenance_interval(Duration::from_millis(200))
        .register("echo", |number: i32, _: Context| async move { Ok::<_, Failure>(number) })
        .register("forget", move |_: i32, context: Context| {
            let url = url.clone();
            async move {
                let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
                let driver = tokio::spawn(connection);
                client.batch_execute("set application_name = 'forgetful'; begin").await?;
                context.complete_in(&mut client, &()).await?;
                // The connection stays open, and its transaction with it.
                std::mem::forget((client, driver));
                Ok::<_, Failure>(())
            }
        })
}

/// Tasks in rows of their own, held by a worker without heartbeats.
async fn claimed_by_a_lost_worker(backend: &AsyncPostgresBackend, count: i32) -> Vec<TaskId> {
    let queue = backend.backend().queue();
    let mut ids = Vec::new();
    for i in 0..count {
        ids.push(queue.enqueue(task("echo", i)).await.unwrap());
    }
    let info = WorkerInfo { lease: Duration::from_secs(1), ..WorkerInfo::new(["default"]) };
    let lost = queue.register_worker(&info).await.unwrap();
    let request = Dequeue::from(["default"]).limit(count as u32);
    assert_eq!(queue.claim(lost, &request).await.unwrap().len(), ids.len());
    ids
}

/// One transaction, that of a frozen worker, holds one of six tasks; another holds one of six expired tasks. The other tasks are rescued
/// and expired meanwhile, and those two once the transactions are over. The log names the session that holds them.
#[tokio::test]
async fn rescue_and_expiry_pass_over_rows_that_others_hold() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let taken = claimed_by_a_lost_worker(&backend, 6).await;
    let mut short = Vec::new();
    for i in 0..6 {
        let task = task("none", i).ttl(Duration::from_millis(1));
        short.push(backend.enqueue(task).await.unwrap());
    }
    let holder = db.client().await;
    let session = number(&holder, "select pg_backend_pid()::bigint").await;
    let held = [taken[2], short[3]].map(|id| id.as_uuid());
    let sql = "begin; set application_name = 'frozen'";
    holder.batch_execute(sql).await.unwrap();
    holder.query("select from omniq.tasks where id = any ($1) for update", &[&held.to_vec()]).await.unwrap();

    let worker = worker(&backend, db.url()).build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let begun = Instant::now();
    for id in taken.iter().filter(|id| **id != taken[2]) {
        assert_eq!(backend.wait(*id, PATIENCE).await.unwrap().attempt, 2);
    }
    for id in short.iter().filter(|id| **id != short[3]) {
        assert_eq!(backend.wait(*id, PATIENCE).await.unwrap().status, ResultStatus::Expired);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lost = "select count(*) from omniq.workers where ended_at is not null";
    assert_eq!(number(&witness, lost).await, 1, "who holds tasks is not forgotten");
    let named = format!("tasks of lost workers wait for session {session} (frozen) in a transaction since 2");
    assert!(log.text().contains(&named), "{named} in {}", log.text());

    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(backend.wait(taken[2], PATIENCE).await.unwrap().attempt, 2);
    assert_eq!(backend.wait(short[3], PATIENCE).await.unwrap().status, ResultStatus::Expired);
    eventually("the lost worker is forgotten", PATIENCE, async || number_is(&witness, lost, 0).await).await;
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

fn ends(tasks: &[omniq::Task]) -> Vec<Settlement> {
    let end = |task: &omniq::Task| Settlement::new(task.id, task.claim, Outcome::Complete);
    tasks.iter().map(end).collect()
}

/// One of three rows is held: the others are settled, a second attempt does not wait again, and an all-or-nothing batch waits. The worker
/// stays registered as long as it holds something.
#[tokio::test]
async fn a_settlement_passes_over_a_row_that_others_hold() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let queue = backend.backend().queue();
    for i in 0..3 {
        queue.enqueue(task("echo", i)).await.unwrap();
    }
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let tasks = queue.claim(worker, &Dequeue::from(["default"]).limit(3)).await.unwrap();
    let holder = db.client().await;
    holder.batch_execute("begin").await.unwrap();
    let lock = "select from omniq.tasks where id = $1 for update";
    holder.query(lock, &[&tasks[1].id.as_uuid()]).await.unwrap();

    let answers = queue.settle(&ends(&tasks), SettleMode::Each).await.unwrap();
    assert_eq!(answers, [Settled::Done, Settled::Busy, Settled::Done]);
    let held = &tasks[1..2];
    let begun = Instant::now();
    for _ in 0..40 {
        assert_eq!(queue.settle(&ends(held), SettleMode::Each).await.unwrap(), [Settled::Busy]);
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(queue.deregister_worker(worker).await.unwrap_err().is_conflict());

    let all = {
        let (queue, batch) = (queue.clone(), ends(held));
        tokio::spawn(async move { queue.settle(&batch, SettleMode::All).await })
    };
    tokio::time::sleep(Duration::from_millis(700)).await;
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(all.await.unwrap().unwrap(), [Settled::Done]);
    queue.deregister_worker(worker).await.unwrap();
    backend.close().await.unwrap();
}

/// Maintenance waits a moment for locks, and leaves what it did not get to the next time.
#[tokio::test]
async fn no_step_of_maintenance_waits_for_long() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let holder = db.client().await;
    // More count deltas than are left without a rollup.
    holder.query("select omniq.enqueue('echo') from generate_series(1, 600)", &[]).await.unwrap();
    let lock = "begin; lock table omniq.tasks, omniq.workers, omniq.count_deltas, omniq.result_segments";
    holder.batch_execute(lock).await.unwrap();
    let (queue, results) = (backend.backend().queue(), backend.results().unwrap());
    let steps = async {
        [
            ("lost", queue.lost(10).await.err()),
            ("expired", queue.expired(10).await.err()),
            ("prune", queue.prune(10).await.err()),
            ("fold", queue.maintain().await.err()),
            ("results", results.maintain(Some(Duration::from_secs(60))).await.err()),
        ]
    };
    let steps = tokio::time::timeout(Duration::from_secs(30), steps).await.expect("they wait for long");
    for (step, error) in steps {
        let error = error.unwrap_or_else(|| panic!("{step} needs nothing of what is held"));
        assert_eq!(error.sqlstate(), Some("55P03"), "{step}: {error:?}");
    }
    holder.batch_execute("rollback").await.unwrap();
    backend.close().await.unwrap();
}

/// A handler completes its task in a transaction of its own and forgets to commit: the ends of other tasks are written meanwhile, and a
/// stop does not wait for it. The task comes back when the lease ends.
#[tokio::test]
async fn a_forgotten_commit_costs_only_its_task() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let worker = worker(&backend, db.url()).concurrency(4).build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let forgotten = backend.enqueue(task("forget", 0)).await.unwrap();
    let witness = db.client().await;
    let open = "select count(*) from pg_stat_activity where application_name = 'forgetful' and datname = current_database()";
    eventually("it has come so far", PATIENCE, async || number_is(&witness, open, 1).await).await;

    let begun = Instant::now();
    for i in 0..40 {
        let id = backend.enqueue(task("echo", i)).await.unwrap();
        assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Completed);
    }
    println!("40 round trips beside a forgotten commit: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20));
    let running_still = "select count(*) from omniq.task_list where state = 'running'";
    assert_eq!(number(&witness, running_still).await, 1);

    let begun = Instant::now();
    stop.stop();
    running.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "the stop took {:?}", begun.elapsed());
    terminate(&witness, "forgetful").await;
    let again = Worker::builder(&backend)
        .maintenance_interval(Duration::from_millis(200))
        .register("forget", |_: i32, _: Context| async { Ok::<_, Failure>(()) })
        .build()
        .unwrap();
    let (stop, running) = (again.handle(), tokio::spawn(again.run()));
    assert_eq!(backend.wait(forgotten, PATIENCE).await.unwrap().attempt, 2);
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

async fn terminate(witness: &Client, name: &str) {
    let sql =
        "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where application_name = $1";
    witness.query(sql, &[&name]).await.unwrap();
}

/// Six runs return while the table of tasks is locked for longer than the completer tries a failing batch, under time limits for
/// statements and for locks: each is settled once the lock is released.
#[tokio::test]
async fn what_runs_gave_is_booked_after_the_table_was_locked() {
    for limit in ["statement_timeout", "lock_timeout"] {
        let db = TestDb::new().await;
        AsyncPostgresBackend::connect(&db.url()).await.unwrap().close().await.unwrap();
        let admin = db.client().await;
        admin.batch_execute(&format!("alter database {} set {limit} = '300ms'", db.name())).await.unwrap();
        let url = format!("{}?options=-c%20{limit}%3D300ms", db.url());
        let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let (waits, begun) =
            (std::sync::Arc::clone(&gate), std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
        let begins = std::sync::Arc::clone(&begun);
        let worker = Worker::builder(&backend)
            .maintenance_interval(Duration::from_millis(300))
            .register("held", move |number: i32, _: Context| {
                let waits = std::sync::Arc::clone(&waits);
                begins.add_permits(1);
                async move {
                    waits.acquire().await?.forget();
                    Ok::<_, Failure>(number)
                }
            })
            .build()
            .unwrap();
        let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
        let ids = backend.enqueue_many((0..6).map(|i| task("held", i)).collect()).await.unwrap();
        begun.acquire_many(6).await.unwrap().forget();
        admin
            .batch_execute(&format!(
                "set {limit} = 0; begin; lock table omniq.tasks in access exclusive mode"
            ))
            .await
            .unwrap();
        gate.add_permits(6);
        tokio::time::sleep(Duration::from_secs(14)).await;
        admin.batch_execute("commit").await.unwrap();
        for (i, id) in ids.into_iter().enumerate() {
            let result = backend.wait(id, PATIENCE).await.unwrap();
            assert_eq!((result.status, result.attempt), (ResultStatus::Completed, 1), "{limit}");
            assert_eq!(result.value.unwrap().decode::<usize>().unwrap(), i);
        }
        assert_eq!(number(&db.client().await, "select count(*) from omniq.tasks").await, 0);
        stop.stop();
        running.await.unwrap().unwrap();
        backend.close().await.unwrap();
    }
}
