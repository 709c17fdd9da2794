//! C14: the limit of payloads also holds for what tasks return (issue 12, E7).

use std::sync::Arc;

use omniq::backend::postgres::Settings;
use omniq::port::{Outcome, SettleMode, Settlement};
use omniq::prelude::*;
use omniq::storage::memory::{MemoryQueue, MemoryResultStorage};
use omniq::{Limits, ResultStatus, TaskResult};
use omniq_testkit::TestDb;
use tokio_postgres::NoTls;

use crate::witness::PATIENCE;

/// A run that returns too much fails at once, with an error that names size and limit; the worker continues.
async fn too_much_fails(backend: &Backend) {
    let letters = |count: usize, _: Context| async move { Ok::<_, Failure>("x".repeat(count)) };
    let worker = Worker::builder(backend).register("letters", letters).build().unwrap();
    // The quotes of the JSON text count.
    let [large, small] = [999, 998].map(|count| NewTask::new("letters", &count).unwrap());
    let ids = backend.enqueue_many(vec![large, small]).await.unwrap();
    worker.run_until_idle().await.unwrap();
    let [large, small] = [backend.wait(ids[0], PATIENCE).await, backend.wait(ids[1], PATIENCE).await];
    let error = large.unwrap().error.unwrap();
    assert_eq!(error.kind, "bad_result");
    assert!(error.message.contains("1001") && error.message.contains("1000"), "{error:?}");
    assert_eq!(small.unwrap().status, ResultStatus::Completed);

    // Also without a worker.
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
    // The limit is the backend's, even if the storage would accept more.
    let results = Arc::new(MemoryResultStorage::new());
    let memory = Backend::new(Arc::new(MemoryQueue::new())).with_results(results).with_limits(limits);
    too_much_fails(&memory).await;
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).max_payload(1000).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    too_much_fails(backend.backend()).await;
    // In the handler's own transaction.
    let url = db.url();
    let worker = Worker::builder(&backend).register("inside", move |(): (), context: Context| {
        let url = url.clone();
        async move {
            let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            tokio::spawn(connection);
            let refused = context.complete_in(&mut client, &"x".repeat(999)).await;
            Ok::<_, Failure>(refused.is_err_and(|error| error.is_invalid()))
        }
    });
    let id = backend.enqueue(NewTask::new("inside", &()).unwrap()).await.unwrap();
    worker.build().unwrap().run_until_idle().await.unwrap();
    let value = backend.wait(id, PATIENCE).await.unwrap().value;
    assert!(value.is_some_and(|value| value.decode::<bool>().unwrap()));
    // Also past the backend, by the storages.
    let id = backend.enqueue(NewTask::new("letters", &1).unwrap()).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let mut result = TaskResult::new(id, ResultStatus::Completed);
    result.value = Some(Payload::json(&"x".repeat(999)).unwrap());
    assert!(backend.results().unwrap().store(result.clone()).await.unwrap_err().is_invalid());
    let settlement =
        Settlement { result: Some(result), ..Settlement::new(id, task.claim, Outcome::Complete) };
    assert!(backend.queue().settle(&[settlement], SettleMode::Each).await.unwrap_err().is_invalid());
    backend.close().await.unwrap();
}
