//! C29: through a pooler that hands out connections by transaction or by session, which is detected without a setting.

use std::time::{Duration, Instant};

use omniq::backend::postgres::Settings;
use omniq::migrate::{self, Part};
use omniq::prelude::*;
use omniq_testkit::{Pooler, TestDb, eventually};

use crate::witness::{PATIENCE, number};

const TASKS: u32 = 500;

/// Everything works over two server connections: many callers, a worker, its heartbeat, results and waits for them.
async fn a_life_behind(more: &str) {
    let db = TestDb::new().await;
    let pooler = Pooler::start(&db, more);
    let backend = AsyncPostgresBackend::connect(&format!("{}?lease=2", pooler.url())).await.unwrap();
    let worker = Worker::builder(&backend)
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
    // An idle worker polls: there is no listener.
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.listeners").await, 0);
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

/// Issue 12, C7. Nothing is prepared under a name before the pooler is known: the same name in a shared session fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_clients_that_connect_at_once_through_a_pooler_do_not_meet() {
    for more in ["", "pool_mode = session\ndefault_pool_size = 20"] {
        let db = TestDb::new().await;
        let pooler = Pooler::start(&db, more);
        let settings = Settings::from_url(pooler.url()).unwrap();
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let settings = settings.clone();
                tokio::spawn(async move {
                    let mut failed = Vec::new();
                    for _ in 0..20 {
                        failed.extend(migrate::migrate(&settings, &Part::ALL).await.err());
                    }
                    failed
                })
            })
            .collect();
        for client in clients {
            let failed = client.await.unwrap();
            assert!(failed.is_empty(), "{more:?}: {} of 40 failed: {:?}", failed.len(), failed[0]);
        }
    }
}

/// Issue 12, C7. A pooler that hands out whole sessions makes no difference: a notification wakes the idle worker.
#[tokio::test]
async fn c29_a_pooler_by_session_passes_notifications() {
    for more in ["", "\nignore_startup_parameters = options"] {
        let db = TestDb::new().await;
        let pooler = Pooler::start(&db, &format!("pool_mode = session\ndefault_pool_size = 20{more}"));
        let backend = AsyncPostgresBackend::connect(pooler.url()).await.unwrap();
        let worker = Worker::builder(&backend)
            // So rare that polling cannot explain a wake-up.
            .poll(Duration::from_secs(3600))
            .register("echo", |value: u64, _: Context| async move { Ok::<_, Failure>(value) })
            .build()
            .unwrap();
        let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
        let witness = db.client().await;
        let asleep = "select count(*) from omniq.listeners";
        let mut times = Vec::new();
        for value in 0..9 {
            eventually("it sleeps", PATIENCE, async || (number(&witness, asleep).await > 0).then_some(()))
                .await;
            let began = Instant::now();
            let id = backend.enqueue(NewTask::new("echo", &value).unwrap()).await.unwrap();
            backend.wait(id, PATIENCE).await.unwrap();
            times.push(began.elapsed());
        }
        times.sort();
        // Polling through a pooler takes half a second.
        assert!(times[4] < Duration::from_millis(150), "{times:?}");
        stop.stop();
        running.await.unwrap().unwrap();
        backend.close().await.unwrap();
    }
}

/// Issue 12, C7. Found by a newcomer: a pooler accepts more connections than it has sessions, and calls hung on those until the pooler
/// closed them, although other connections of the pool were free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_a_pooler_with_fewer_sessions_than_connections_holds_no_call_up() {
    let db = TestDb::new().await;
    let pooler = Pooler::start(&db, "pool_mode = session\ndefault_pool_size = 3");
    let backend = AsyncPostgresBackend::connect(pooler.url()).await.unwrap();
    let id = backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let began = Instant::now();
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let backend = backend.backend().clone();
            tokio::spawn(async move { backend.queue().get(id).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().unwrap().is_some());
    }
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    backend.close().await.unwrap();
}
