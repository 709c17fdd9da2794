//! C29: the pool keeps its limits and timeouts.

use std::time::{Duration, Instant};

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq_testkit::{Proxy, TestDb, eventually};

use crate::witness::{PATIENCE, SESSIONS, echo_worker, number};

async fn queue(db: &TestDb, min: usize, max: usize, idle: Duration) -> AsyncPostgresQueue {
    let settings = Settings::builder()
        .url(db.url())
        .pool_min(min)
        .pool_max(max)
        .idle_timeout(idle)
        .acquire_timeout(Duration::from_secs(1));
    AsyncPostgresQueue::with_settings(&settings.build().unwrap()).await.unwrap()
}

/// While every call waits for a lock, the pool grows to its maximum and no further; a call without a connection fails
/// in about the time set; a call with one succeeds in the end; and idle connections are closed down to the minimum.
#[tokio::test]
async fn c29_minimum_maximum_and_both_timeouts_are_honoured() {
    let db = TestDb::new().await;
    let queue = queue(&db, 2, 5, Duration::from_secs(1)).await;
    let witness = db.client().await;
    assert_eq!(number(&witness, SESSIONS).await, 2, "the minimum is there from the start");

    let mut locker = db.client().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table omniq.tasks").await.unwrap();
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let began = Instant::now();
                // Not single enqueues, which share connections.
                (queue.enqueue_many(vec![NewTask::new("echo", &1).unwrap()]).await, began.elapsed())
            })
        })
        .collect();
    // Longer than the acquire timeout.
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(number(&witness, SESSIONS).await <= 5);
    }
    assert_eq!(number(&witness, SESSIONS).await, 5);
    lock.rollback().await.unwrap();
    let mut refused = 0;
    for call in calls {
        let (answer, took) = call.await.unwrap();
        let Err(error) = answer else { continue };
        refused += 1;
        assert!(error.is_pool_timeout() && error.is_transient(), "{error:?}");
        let message = error.to_string();
        for word in ["1s", "all 5", "pool_max", "acquire_timeout"] {
            assert!(message.contains(word), "{message:?} lacks {word:?}");
        }
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    }
    assert_eq!(refused, 12 - 5);
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 5, "a refusal writes nothing");

    eventually("idle connections are closed", PATIENCE, async || {
        (number(&witness, SESSIONS).await == 2).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(number(&witness, SESSIONS).await, 2, "the minimum is kept");
    queue.close().await.unwrap();
}

/// With a minimum of 0 an idle queue holds no connection, and the next call opens one.
#[tokio::test]
async fn c29_a_minimum_of_zero_keeps_nothing_open() {
    let db = TestDb::new().await;
    let queue = queue(&db, 0, 5, Duration::from_millis(300)).await;
    let witness = db.client().await;
    eventually("all are closed", PATIENCE, async || (number(&witness, SESSIONS).await == 0).then_some(()))
        .await;
    queue.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap();
    queue.close().await.unwrap();
}

/// The minimum is restored after its connections broke, without any call.
#[tokio::test]
async fn c29_the_minimum_is_refilled_after_connections_broke() {
    let db = TestDb::new().await;
    let queue = queue(&db, 3, 5, Duration::from_secs(1)).await;
    let witness = db.client().await;
    let terminate = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq'";
    assert_eq!(number(&witness, terminate).await, 3);
    eventually("three again", PATIENCE, async || (number(&witness, SESSIONS).await == 3).then_some(())).await;
    queue.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap();
    queue.close().await.unwrap();
}

/// A server that does not answer is an error once the acquire timeout is over, not a hang: each attempt ends with the connect timeout.
#[tokio::test]
async fn c29_a_server_without_an_answer_is_unavailable_in_the_time_set() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    proxy.stall(true);
    let settings = Settings::builder().url(&url).connect_timeout(Duration::from_millis(500));
    let settings = settings.acquire_timeout(Duration::from_secs(2)).build().unwrap();
    let began = Instant::now();
    let error = AsyncPostgresQueue::with_settings(&settings).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// Over a slow network everything works, only slower; a notification still wakes an idle worker.
#[tokio::test]
async fn c29_a_slow_network_only_slows_down() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
    proxy.delay(Duration::from_millis(30));
    let worker = echo_worker(&backend);
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let witness = db.client().await;
    for round in 0..3 {
        let sleeps = "select count(*) from omniq.listeners";
        eventually("it sleeps", PATIENCE, async || (number(&witness, sleeps).await == 1).then_some(())).await;
        let tasks = (0..5).map(|i| NewTask::new("echo", &(round, i)).unwrap()).collect();
        for (i, id) in backend.enqueue_many(tasks).await.unwrap().into_iter().enumerate() {
            let value = backend.wait(id, PATIENCE).await.unwrap().value.unwrap();
            assert_eq!(value.decode::<(usize, usize)>().unwrap(), (round, i));
        }
    }
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}
