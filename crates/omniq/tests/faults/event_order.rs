//! Issue 12, C15: the events of a task are in the order in which they happened.

use std::sync::Arc;
use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq_testkit::{TestDb, eventually};
use tokio::sync::Mutex;
use tokio_postgres::NoTls;

use crate::effects::number_is;
use crate::held_rows::PATIENCE;

async fn with_events(db: &TestDb) -> AsyncPostgresBackend {
    let settings = Settings::builder().url(db.url()).events("postgres").build().unwrap();
    AsyncPostgresBackend::with_settings(&settings).await.unwrap()
}

const LIVES: &str = "select string_agg(kind, ' ' order by id) from omniq.events group by task_id";

/// Transactional and other tasks, enqueued singly and together while workers wait for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_task_stand_in_the_order_of_its_life() {
    let db = TestDb::new().await;
    let backend = with_events(&db).await;
    let url = db.url();
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(db.client().await);
    }
    let open = Arc::new(Mutex::new(open));
    let worker = Worker::builder(&backend)
        .concurrency(8)
        .register("inside", move |_: i32, context: Context| {
            let url = url.clone();
            async move {
                let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
                tokio::spawn(connection);
                let mut transaction = client.transaction().await?;
                context.complete_in(&mut transaction, &()).await?;
                transaction.commit().await?;
                Ok::<_, Failure>(())
            }
        })
        .register("at_once", move |_: i32, context: Context| {
            let open = Arc::clone(&open);
            async move {
                let mut client = open.lock().await.pop().unwrap();
                let mut transaction = client.transaction().await?;
                context.complete_in(&mut transaction, &()).await?;
                transaction.commit().await?;
                open.lock().await.push(client);
                Ok::<_, Failure>(())
            }
        })
        .register("plain", |_: i32, _: Context| async { Ok::<_, Failure>(()) })
        .build()
        .unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let mut calls = tokio::task::JoinSet::new();
    for i in 0..300 {
        let backend = backend.clone();
        let func = ["plain", "inside", "at_once"][i as usize % 3];
        let task = NewTask::new(func, &i).unwrap();
        calls.spawn(async move {
            if i % 10 == 0 {
                backend.enqueue_many(vec![task]).await.unwrap()[0]
            } else {
                backend.enqueue(task).await.unwrap()
            }
        });
        if i % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    while let Some(id) = calls.join_next().await {
        backend.wait(id.unwrap(), PATIENCE).await.unwrap();
    }
    stop.stop();
    running.await.unwrap().unwrap();
    let witness = db.client().await;
    let lives: Vec<String> = witness.query(LIVES, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    // A worker to which more is handed off than it has slots releases the rest.
    let lives: Vec<_> = lives.iter().map(|life| life.replace(" released", "")).collect();
    let wrong: Vec<_> = lives.iter().filter(|life| *life != "enqueued started completed").collect();
    assert!(wrong.is_empty(), "{} of {}: {:?}", wrong.len(), lives.len(), &wrong[..wrong.len().min(5)]);
    assert_eq!(lives.len(), 300);
    backend.close().await.unwrap();
}

/// Enough tasks that their ends are written by the thousand: no batch overtakes another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_many_tasks_stand_in_order() {
    let db = TestDb::new().await;
    let backend = with_events(&db).await;
    let tasks = (0..10_000).map(|i| NewTask::new("plain", &i).unwrap()).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    let worker = Worker::builder(&backend)
        .concurrency(1_000)
        .register("plain", |_: i32, _: Context| async { Ok::<_, Failure>(()) })
        .build()
        .unwrap();
    worker.run_until_idle().await.unwrap();
    let witness = db.client().await;
    let lives = witness.query(LIVES, &[]).await.unwrap();
    // An event of a run is dropped while that many wait to be written, but the event of its end is not. A worker that has claimed more
    // than it can begin soon releases the rest.
    let orders = ["enqueued started completed", "enqueued completed"];
    let life = |row: &tokio_postgres::Row| row.get::<_, &str>(0).replace(" released", "");
    let wrong: Vec<String> = lives.iter().map(life).filter(|life| !orders.contains(&&**life)).collect();
    assert_eq!((lives.len(), wrong), (ids.len(), Vec::new()));
    backend.close().await.unwrap();
}

/// An enqueue inside a transaction, by the library or by SQL, writes its event there; a queue without events writes none.
#[tokio::test]
async fn an_enqueue_in_a_transaction_has_its_event_there() {
    let db = TestDb::new().await;
    let backend = with_events(&db).await;
    let (mut user, witness) = (db.client().await, db.client().await);
    let events = "select count(*) from omniq.events where kind = 'enqueued'";
    for commits in [false, true] {
        let mut transaction = user.transaction().await.unwrap();
        let task = |i: i32| NewTask::new("f", &i).unwrap();
        backend.enqueue_in(&mut transaction, task(1)).await.unwrap();
        backend.enqueue_many_in(&mut transaction, vec![task(2), task(3)]).await.unwrap();
        transaction.query("select omniq.enqueue('g')", &[]).await.unwrap();
        assert_eq!(transaction.query_one(events, &[]).await.unwrap().get::<_, i64>(0), 4);
        if commits { transaction.commit().await } else { transaction.rollback().await }.unwrap();
        let wanted = if commits { 4 } else { 0 };
        eventually("the events went with the tasks", PATIENCE, async || {
            number_is(&witness, events, wanted).await
        })
        .await;
    }
    let same = "select count(*) from omniq.events e join omniq.task_list t on t.id = e.task_id and t.queue = e.queue \
                and t.func = e.func and e.attempt = 0";
    number_is(&witness, same, 4).await.unwrap();
    backend.close().await.unwrap();

    let bare = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&bare.url()).await.unwrap();
    bare.client().await.query("select omniq.enqueue('g')", &[]).await.unwrap();
    backend.close().await.unwrap();
}
