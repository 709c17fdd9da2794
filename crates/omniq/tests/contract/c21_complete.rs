//! C21: a task is completed in the user's own transaction, with its result and event, by each driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq::{Backoff, ResultStatus, TaskState};
use omniq_testkit::{TestDb, eventually};
use sqlx::Connection;
use tokio_postgres::NoTls;

use crate::witness::{PATIENCE, full, number};

const ORDERS: &str = "create table orders (id int)";
const ORDER: &str = "insert into orders values (1)";

/// The outcome of all runs but the last.
#[derive(Clone, Copy, PartialEq, Debug)]
enum First {
    Commits,
    RollsBack,
    FailsBefore,
    FailsAfter,
}

#[derive(Clone, Copy, Debug)]
enum Driver {
    Client,
    Transaction,
    Deadpool,
    Sqlx,
}

async fn complete(context: &Context, target: &mut dyn UserConnection) {
    context.complete_in(target, &"inside").await.unwrap();
}

async fn run_on(driver: Driver, url: &str, context: &Context, commit: bool) {
    match driver {
        Driver::Client => {
            let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(&format!("begin; {ORDER}")).await.unwrap();
            complete(context, &mut client).await;
            client.batch_execute(if commit { "commit" } else { "rollback" }).await.unwrap();
        }
        Driver::Transaction => {
            let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let mut transaction = client.transaction().await.unwrap();
            transaction.batch_execute(ORDER).await.unwrap();
            complete(context, &mut transaction).await;
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        }
        Driver::Deadpool => {
            let manager = deadpool_postgres::Manager::new(url.parse().unwrap(), NoTls);
            let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
            let mut client = pool.get().await.unwrap();
            let mut transaction = client.transaction().await.unwrap();
            transaction.batch_execute(ORDER).await.unwrap();
            complete(context, &mut transaction).await;
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        }
        Driver::Sqlx => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            let mut transaction = connection.begin().await.unwrap();
            sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
            complete(context, &mut *transaction).await;
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        }
    }
}

/// Runs one task to its end: its first run ends this way, and another one commits. Checks that its effect is there once.
async fn once(first: First, driver: Driver) {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let witness = db.client().await;
    witness.batch_execute(ORDERS).await.unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let (seen, url) = (Arc::clone(&runs), db.url());
    let worker = Worker::builder(&backend)
        .register("order", move |(): (), context: Context| {
            let (seen, url) = (Arc::clone(&seen), url.clone());
            async move {
                let step = if seen.fetch_add(1, Ordering::SeqCst) == 0 { first } else { First::Commits };
                let commit = matches!(step, First::Commits | First::FailsAfter);
                run_on(driver, &url, &context, commit).await;
                match step {
                    First::Commits | First::RollsBack => Ok("outside"),
                    _ => Err(Failure::error("late", "after complete")),
                }
            }
        })
        .build()
        .unwrap();
    let backoff = Backoff::fixed(std::time::Duration::from_millis(1));
    let id = backend.enqueue(NewTask::new("order", &()).unwrap().backoff(backoff)).await.unwrap();
    worker.run_until_idle().await.unwrap();

    let tried = if matches!(first, First::RollsBack | First::FailsBefore) { 2 } else { 1 };
    assert_eq!(runs.load(Ordering::SeqCst), tried, "{first:?} {driver:?}");
    let result = backend.wait(id, PATIENCE).await.unwrap();
    assert_eq!(result.status, ResultStatus::Completed);
    assert_eq!(result.attempt, tried);
    assert_eq!(result.value.unwrap().decode::<String>().unwrap(), "inside");
    assert!(result.worker.is_some() && result.started_at.is_some() && result.expires_at.is_some());
    for (count, sql) in [
        (1, "select count(*) from orders"),
        (0, "select count(*) from omniq.tasks"),
        (1, "select count(*) from omniq.results"),
        (1, "select count(*) from omniq.events where kind = 'completed'"),
        (0, "select count(*) from omniq.queue_counts"),
    ] {
        assert_eq!(number(&witness, sql).await, count, "{first:?} {driver:?}: {sql}");
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_a_task_is_completed_with_its_transaction() {
    for driver in [Driver::Client, Driver::Transaction, Driver::Deadpool, Driver::Sqlx] {
        once(First::Commits, driver).await;
        once(First::RollsBack, driver).await;
    }
    once(First::FailsBefore, Driver::Transaction).await;
    once(First::FailsAfter, Driver::Transaction).await;
}

/// Nothing about the events makes the user's transaction fail, or wait for long: neither a refusal nor a lock.
#[tokio::test]
async fn c26_a_completion_in_a_transaction_goes_past_events_that_cannot_be_written() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let url = db.url();
    let order = move |(): (), context: Context| {
        let url = url.clone();
        async move {
            run_on(Driver::Transaction, &url, &context, true).await;
            Ok::<_, Failure>(())
        }
    };
    let orders = async |count: i64| {
        let id = backend.enqueue(NewTask::new("order", &()).unwrap()).await.unwrap();
        let worker = Worker::builder(&backend).register("order", order.clone()).build().unwrap();
        tokio::time::timeout(PATIENCE, worker.run_until_idle()).await.expect("it waits").unwrap();
        let result = backend.wait(id, PATIENCE).await.unwrap();
        assert_eq!((result.status, result.attempt), (ResultStatus::Completed, 1));
        assert_eq!(number(&witness, "select count(*) from orders").await, count);
    };
    witness.batch_execute(ORDERS).await.unwrap();
    orders(1).await;
    let refuse = "alter table omniq.events add constraint refusing check (kind <> 'completed') not valid";
    witness.batch_execute(refuse).await.unwrap();
    orders(2).await;
    witness.batch_execute("alter table omniq.events drop constraint refusing").await.unwrap();
    let mut locker = db.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table omniq.events").await.unwrap();
    orders(3).await;
    // The limits of the user's own session hold, and do not end the transaction.
    let limit = "do $$ begin
        execute format('alter database %I set statement_timeout = %L', current_database(), '4s'); end $$";
    witness.batch_execute(limit).await.unwrap();
    orders(4).await;
    lock.rollback().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.events where kind = 'completed'").await, 1);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_a_completion_in_an_open_transaction_holds_up_no_other_of_its_run() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let (witness, inside) = (db.client().await, Arc::new(tokio::sync::Mutex::new(db.client().await)));
    let go = Arc::new(tokio::sync::Notify::new());
    let (at, client) = (Arc::clone(&go), Arc::clone(&inside));
    let worker = Worker::builder(&backend)
        .concurrency(10)
        .register("n", move |n: i32, context: Context| {
            let (at, client) = (Arc::clone(&at), Arc::clone(&client));
            async move {
                if n == 4 {
                    let mut client = client.lock().await;
                    let transaction = &mut client.transaction().await.unwrap();
                    context.complete_in(transaction, &n).await.unwrap();
                    at.notified().await;
                    transaction.batch_execute("commit").await.unwrap();
                }
                Ok::<_, Failure>(n)
            }
        })
        .build()
        .unwrap();
    let tasks = (0..10).map(|n| NewTask::new("n", &n).unwrap()).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 1, "a run");
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    eventually("the others are settled", PATIENCE, async || {
        (number(&witness, "select count(*) from omniq.results").await == 9).then_some(())
    })
    .await;
    assert!(backend.result(ids[4]).await.unwrap().is_none(), "not visible before the commit");
    assert_eq!(number(&witness, "select running from omniq.queue_counts").await, 1);
    go.notify_one();
    backend.wait(ids[4], PATIENCE).await.unwrap();
    handle.stop();
    running.await.unwrap().unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    assert_eq!(number(&witness, "select count(*) from omniq.queue_counts").await, 0);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_a_completion_under_a_lost_claim_fails_the_transaction() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let witness = db.client().await;
    witness.batch_execute(ORDERS).await.unwrap();
    let client = Arc::new(tokio::sync::Mutex::new(db.client().await));
    let inside = Arc::clone(&client);
    let worker = Worker::builder(&backend)
        .register("order", move |(): (), context: Context| {
            let client = Arc::clone(&inside);
            async move {
                let mut client = client.lock().await;
                client.batch_execute("update omniq.tasks set claims = claims + 1").await.unwrap();
                let mut transaction = client.transaction().await.unwrap();
                transaction.batch_execute(ORDER).await.unwrap();
                let refused = context.complete_in(&mut transaction, &()).await.unwrap_err();
                assert!(refused.is_claim_lost(), "{refused}");
                assert!(transaction.batch_execute(ORDER).await.is_err(), "it has failed");
                Ok::<_, Failure>(())
            }
        })
        .build()
        .unwrap();
    backend.enqueue(NewTask::new("order", &()).unwrap()).await.unwrap();
    worker.run_until_idle().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from orders").await, 0);
    assert_eq!(number(&witness, "select count(*) from omniq.results").await, 0);
    backend.close().await.unwrap();
}

/// Runs one task whose handler calls `complete_in` twice. Returns the task's id, and the answers of both calls.
async fn answers_of(backend: &AsyncPostgresBackend, db: &TestDb) -> (TaskId, Vec<String>) {
    let url = db.url();
    let answers = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&answers);
    let worker = Worker::builder(backend)
        .register("order", move |(): (), context: Context| {
            let (noted, url) = (Arc::clone(&noted), url.clone());
            async move {
                let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
                tokio::spawn(connection);
                for _ in 0..2 {
                    let mut transaction = client.transaction().await?;
                    let answer = context.complete_in(&mut transaction, &"inside").await;
                    transaction.commit().await?;
                    let kind = match answer {
                        Ok(()) => "done",
                        Err(error) if error.is_claim_lost() => "lost",
                        Err(error)
                            if error.is_invalid()
                                && error.to_string().contains("in the queue's database") =>
                        {
                            "elsewhere"
                        }
                        Err(error)
                            if error.is_invalid() && error.to_string().contains("not on PostgreSQL") =>
                        {
                            "memory"
                        }
                        Err(error) => panic!("{error:?}"),
                    };
                    noted.lock().await.push(kind.to_owned());
                }
                Ok::<_, Failure>("outside")
            }
        })
        .build()
        .unwrap();
    let id = backend.enqueue(NewTask::new("order", &()).unwrap()).await.unwrap();
    worker.run_until_idle().await.unwrap();
    (id, std::mem::take(&mut *answers.lock().await))
}

async fn value_of(backend: &AsyncPostgresBackend, id: TaskId) -> String {
    backend.result(id).await.unwrap().unwrap().value.unwrap().decode().unwrap()
}

#[tokio::test]
async fn c21_a_completed_task_stays_where_it_is_to_be_kept() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).keep_completed(true).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let (id, answers) = answers_of(&backend, &db).await;
    assert_eq!(answers, ["done", "lost"]);
    let task = backend.queue().get(id).await.unwrap().unwrap();
    assert_eq!((task.state, task.attempt), (TaskState::Completed, 1));
    assert_eq!(value_of(&backend, id).await, "inside");
    let counts = "select completed from omniq.queue_counts where completed = ready + running + completed";
    assert_eq!(number(&db.client().await, counts).await, 1);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_what_no_transaction_joins_is_refused_and_the_task_ends_as_usual() {
    let (db, other) = (TestDb::new().await, TestDb::new().await);
    let of = Settings::builder;
    for (settings, answer) in [
        (of().url(db.url()).results(other.url()), "elsewhere"),
        (of().url(db.url()).events("memory"), "elsewhere"),
        (of().url(db.url()).tasks("memory").results("memory"), "memory"),
    ] {
        let backend = AsyncPostgresBackend::with_settings(&settings.build().unwrap()).await.unwrap();
        let (id, answers) = answers_of(&backend, &db).await;
        assert_eq!(answers, [answer, answer]);
        assert_eq!(value_of(&backend, id).await, "outside");
        backend.close().await.unwrap();
    }
}
