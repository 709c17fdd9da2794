//! C2: all storages in one object with one configuration and one pool; a round trip through each form.

use std::time::Duration;

use omniq::backend::postgres::{Placement, Settings};
use omniq::prelude::*;
use omniq::{EventFilter, ResultStatus};
use omniq_testkit::{TestDb, eventually};

fn settings(db: &TestDb) -> Settings {
    Settings::builder().url(db.url()).events(Placement::Postgres).pool_max(3).build().unwrap()
}

async fn assert_no_session(db: &TestDb) {
    eventually("no session is left", Duration::from_secs(5), async || {
        (db.sessions().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn c02_round_trip_through_the_async_backend() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::with_settings(&settings(&db)).await.unwrap();
    let id = backend.enqueue(NewTask::new("double", &21).unwrap()).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    backend.complete(&task, Some(Payload::json(&42).unwrap())).await.unwrap();
    let result = backend.wait(id, Duration::from_secs(5)).await.unwrap();
    assert_eq!(result.status, ResultStatus::Completed);
    assert_eq!(result.value.unwrap().decode::<i32>().unwrap(), 42);
    let events = backend.require_events().unwrap();
    let kinds: Vec<_> =
        events.query(&EventFilter { task_id: Some(id), ..EventFilter::default() }).await.unwrap();
    let kinds: Vec<_> = kinds.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["enqueued", "completed"]);
    // Queue, results and events share one pool of at most three; heartbeat and listener have connections of their own.
    assert!(db.sessions().await <= 5, "{} sessions", db.sessions().await);
    backend.close().await.unwrap();
    assert_no_session(&db).await;
}

#[test]
fn c02_round_trip_through_the_blocking_backend() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let db = runtime.block_on(TestDb::new());
    let backend = PostgresBackend::with_settings_sync(&settings(&db)).unwrap();
    let id = backend.enqueue_sync(NewTask::new("double", &21).unwrap()).unwrap();
    let queue = omniq::BlockingQueue::new(backend.as_async().queue().clone());
    let task = queue.dequeue_sync(Dequeue::from(["default"])).unwrap().unwrap();
    backend.complete_sync(&task, Some(Payload::json(&42).unwrap())).unwrap();
    let result = backend.wait_sync(id, Duration::from_secs(5)).unwrap();
    assert_eq!(result.value.unwrap().decode::<i32>().unwrap(), 42);
    backend.close_sync().unwrap();
    runtime.block_on(assert_no_session(&db));
}
