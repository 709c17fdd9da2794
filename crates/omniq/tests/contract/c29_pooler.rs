//! C29: behind a pooler that hands out connections by transaction, which is found out without a setting.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{Pooler, TestDb, eventually};

use crate::witness::{PATIENCE, number};

const TASKS: u32 = 500;

/// Everything works by two server connections: many callers, a worker, its heartbeat, results and waiting for them.
async fn a_life_behind(more: &str) {
    let db = TestDb::new().await;
    let pooler = Pooler::start(&db, more);
    let backend = AsyncPostgresBackend::connect(&format!("{}?lease=2", pooler.url())).await.unwrap();
    let worker = Worker::builder(backend.backend().clone())
        .poll(Duration::from_millis(100))
        .register("slow", |length: u64, _: Context| async move {
            tokio::time::sleep(Duration::from_millis(length)).await;
            Ok::<_, Failure>(length)
        })
        .build()
        .unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let tasks = (0..TASKS).map(|number| NewTask::new("slow", &(number % 3)).unwrap()).collect();
    let mut ids = backend.enqueue_many(tasks).await.unwrap();
    // Longer than the lease: the heartbeat holds it.
    ids.push(backend.enqueue(NewTask::new("slow", &5_000).unwrap()).await.unwrap());
    for id in &ids {
        let result = backend.wait(*id, PATIENCE).await.unwrap();
        assert_eq!(result.attempt, 1);
    }
    // A sleeping worker polls: nobody is listed to be rung for.
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.sleepers").await, 0);
    let begun = Instant::now();
    let late = backend.enqueue(NewTask::new("slow", &0).unwrap()).await.unwrap();
    backend.wait(late, PATIENCE).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "found by polling: {:?}", begun.elapsed());
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
    eventually("all is done", PATIENCE, async || {
        (number(&witness, "select count(*) from omniq.tasks").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn c29_a_pooler_that_refuses_settings_is_found_out() {
    a_life_behind("").await;
}

#[tokio::test]
async fn c29_a_pooler_that_swallows_settings_is_found_out() {
    a_life_behind("ignore_startup_parameters = options").await;
}
