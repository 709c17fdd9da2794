//! C13: a close and a cancelled call leave nothing behind.

use std::sync::Arc;
use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::{EventFilter, EventKind, ResultFilter, ResultStatus, TaskEvent, TaskFilter, TaskResult};
use omniq_testkit::{Proxy, TestDb, eventually};

use crate::witness::{PATIENCE, SESSIONS, echo_worker, full, number};

async fn assert_no_session(db: &TestDb) {
    let witness = db.client().await;
    // The server needs a moment to notice that a socket was closed.
    eventually("no session is left", Duration::from_secs(5), async || {
        (number(&witness, SESSIONS).await == 0).then_some(())
    })
    .await;
}

/// Pool, heartbeats and listener of a backend that had a worker and dequeued by itself: no session is left.
#[tokio::test]
async fn c13_no_session_is_left_after_close() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let worker = echo_worker(&backend);
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let id = backend.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap();
    backend.wait(id, PATIENCE).await.unwrap();
    let held = backend.enqueue(NewTask::new("echo", &1).unwrap().queue("mine")).await.unwrap();
    assert_eq!(backend.queue().dequeue(Dequeue::from(["mine"])).await.unwrap().unwrap().id, held);
    let sleeping = Dequeue::from(["empty"]).timeout(Duration::from_millis(100));
    assert!(backend.queue().dequeue(sleeping).await.unwrap().is_none());
    stop.stop();
    running.await.unwrap().unwrap();
    assert!(db.sessions().await > 0);

    backend.close().await.unwrap();
    assert_no_session(&db).await;
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.workers").await, 0);
    let handed_back = "select count(*) from omniq.tasks where worker is null and attempt = 0";
    assert_eq!(
        number(&witness, handed_back).await,
        1,
        "what a dequeue held is handed back, the run not counted"
    );
    backend.close().await.unwrap();
    backend.clone().close().await.unwrap();
}

/// Also if it is closed while calls are in flight, and if it is dropped without a close.
#[tokio::test]
async fn c13_no_session_is_left_by_calls_under_way_or_without_a_close() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let calls: Vec<_> = (0..30)
        .map(|i| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.enqueue(NewTask::new("echo", &i).unwrap()).await })
        })
        .collect();
    let waiting = tokio::spawn({
        let backend = backend.clone();
        async move { backend.wait(TaskId::new(), PATIENCE).await }
    });
    tokio::time::sleep(Duration::from_millis(2)).await;
    backend.close().await.unwrap();
    for call in calls {
        if let Err(error) = call.await.unwrap() {
            assert!(error.is_closed() || error.is_unavailable(), "{error:?}");
        }
    }
    assert!(waiting.await.unwrap().unwrap_err().is_closed());
    drop(backend);
    assert_no_session(&db).await;

    let dropped = full(&db).await;
    dropped.queue().dequeue(Dequeue::from(["empty"]).timeout(Duration::from_millis(50))).await.unwrap();
    drop(dropped);
    assert_no_session(&db).await;
}

/// Each verb reports afterwards that the object is closed.
#[tokio::test]
async fn c13_verbs_after_close_say_so() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let id = backend.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let (queue, results) = (Arc::clone(backend.queue()), Arc::clone(backend.results().unwrap()));
    let events = Arc::clone(backend.events().unwrap());
    backend.close().await.unwrap();
    let new = || NewTask::new("echo", &1).unwrap();
    macro_rules! closed {
        ($($call:expr),* $(,)?) => { $(
            let error = $call.await.err().unwrap_or_else(|| panic!("{} works after close", stringify!($call)));
            assert!(error.is_closed(), "{}: {error:?}", stringify!($call));
        )* };
    }
    closed!(
        backend.enqueue(new()),
        backend.result(id),
        backend.wait(id, Duration::from_millis(10)),
        backend.complete(&task, None),
        backend.cancel(id),
        queue.enqueue(new()),
        queue.dequeue(Dequeue::from(["default"])),
        queue.complete(&task),
        queue.release(&task),
        queue.get(id),
        queue.retry(id),
        queue.delete(id),
        queue.cancel(id),
        queue.list(&TaskFilter::default()),
        queue.count(&TaskFilter::default()),
        queue.purge(&TaskFilter::default()),
        queue.pause("default"),
        queue.resume("default"),
        queue.queues(),
        queue.lost(1),
        results.store(TaskResult::new(id, ResultStatus::Completed)),
        results.get(id),
        results.wait(id, Duration::from_millis(10)),
        results.delete(id),
        results.list(&ResultFilter::default()),
        results.count(&ResultFilter::default()),
        results.purge_expired(1),
        events.log(TaskEvent::new(EventKind::Enqueued)),
        events.query(&EventFilter::default()),
        events.count(&EventFilter::default()),
        events.purge(jiff::Timestamp::now(), 1),
    );
}

/// Calls are dropped at any moment of their round trips, many times: every connection is returned clean, answers
/// belong to their calls, and nothing stays open.
#[tokio::test]
async fn c13_cancelled_calls_leave_their_connections_clean() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let settings = Settings::builder().url(&url).pool_min(2).pool_max(2).build().unwrap();
    let queue = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
    let witness = db.client().await;
    let backends = "select array_agg(pid order by pid) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq'";
    let both = async || {
        let pids: Vec<i32> =
            witness.query_one(backends, &[]).await.unwrap().get::<_, Option<_>>(0).unwrap_or_default();
        (pids.len() == 2).then_some(pids)
    };
    let before = eventually("both connections are there", PATIENCE, both).await;

    proxy.delay(Duration::from_millis(2));
    for i in 0..60_u64 {
        let time = Duration::from_micros(i * 250);
        let _ = tokio::time::timeout(time, queue.enqueue(NewTask::new("any", &i).unwrap())).await;
        let _ = tokio::time::timeout(time, queue.queues()).await;
        let _ = tokio::time::timeout(time, queue.list(&TaskFilter::default())).await;
        assert!(queue.get(TaskId::new()).await.unwrap().is_none(), "an answer to another question");
    }
    proxy.delay(Duration::ZERO);
    let after: Vec<i32> = witness.query_one(backends, &[]).await.unwrap().get(0);
    assert_eq!(before, after, "the same connections do");
    let open = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq' and state <> 'idle'";
    eventually("nothing goes on", PATIENCE, async || (number(&witness, open).await == 0).then_some(())).await;
    queue.close().await.unwrap();
    assert_no_session(&db).await;
}
