//! C14: the limit of payloads holds for what tasks return, too (issue 12, E7).

use std::sync::Arc;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::storage::memory::{MemoryQueue, MemoryResultStorage};
use omniq::{Limits, ResultStatus};
use omniq_testkit::TestDb;

use crate::witness::PATIENCE;

/// A run that returns too much fails at once, with an error that names size and limit; the worker goes on.
async fn too_much_fails(backend: &Backend) {
    let letters = |count: usize, _: Context| async move { Ok::<_, Failure>("x".repeat(count)) };
    let worker = Worker::builder(backend.clone()).register("letters", letters).build().unwrap();
    // Quotes count.
    let [large, small] = [999, 998].map(|count| NewTask::new("letters", &count).unwrap());
    let ids = backend.enqueue_many(vec![large, small]).await.unwrap();
    worker.run_until_idle().await.unwrap();
    let [large, small] = [backend.wait(ids[0], PATIENCE).await, backend.wait(ids[1], PATIENCE).await];
    let error = large.unwrap().error.unwrap();
    assert_eq!(error.kind, "bad_result");
    assert!(error.message.contains("1001") && error.message.contains("1000"), "{error:?}");
    assert_eq!(small.unwrap().status, ResultStatus::Completed);

    // By hand, too.
    backend.enqueue(NewTask::new("letters", &1).unwrap()).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let large = Payload::json(&"x".repeat(999)).unwrap();
    assert!(backend.complete(&task, Some(large)).await.unwrap_err().is_invalid());
    backend.complete(&task, None).await.unwrap();
}

#[tokio::test]
async fn c14_a_result_above_the_limit_fails_its_task() {
    let mut limits = Limits::default();
    limits.max_payload = 1000;
    let results = MemoryResultStorage::new().with_limits(limits.clone());
    let memory =
        Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(results)).with_limits(limits);
    too_much_fails(&memory).await;
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).max_payload(1000).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    too_much_fails(backend.backend()).await;
    backend.close().await.unwrap();
}
