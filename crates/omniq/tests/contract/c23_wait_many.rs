//! C23: the wait for many tasks, on a backend.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use omniq::prelude::*;
use omniq::storage::memory::{MemoryQueue, MemoryResultStorage};
use omniq::{BlockingBackend, ResultStatus, TaskResult};
use omniq_testkit::TestDb;

use crate::c10_blocking::{database, open};
use crate::witness::PATIENCE;

/// A dead letter that was retried comes when it has ended again, with its new result.
async fn a_retried_task_comes_when_it_has_ended_again(backend: &Backend) {
    let mended = Arc::new(AtomicBool::new(false));
    let work = async || {
        let mended = Arc::clone(&mended);
        let worker = Worker::builder(backend).register("work", move |_: i64, _: Context| {
            let works = mended.load(Ordering::SeqCst);
            async move { if works { Ok("done") } else { Err(Failure::fatal("broken", "not yet mended")) } }
        });
        worker.build().unwrap().run_until_idle().await.unwrap();
    };
    let tasks = (0..3).map(|n| NewTask::new("work", &n).unwrap()).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    work().await;
    mended.store(true, Ordering::SeqCst);
    backend.queue().retry(ids[1]).await.unwrap();

    let mut stream = backend.wait_many(&ids, Duration::ZERO);
    let mut failed = Vec::new();
    let error = loop {
        match stream.try_next().await {
            Ok(result) => failed.push(result.unwrap()),
            Err(error) => break error,
        }
    };
    assert!(failed.iter().all(|result| result.status == ResultStatus::Failed));
    assert_eq!(failed.iter().map(|result| result.task_id).collect::<HashSet<_>>(), [ids[0], ids[2]].into());
    assert!(error.is_timeout() && error.message().contains(&ids[1].to_string()), "{error:?}");

    work().await;
    let found: Vec<TaskResult> = backend.wait_many(&ids, PATIENCE).try_collect().await.unwrap();
    let completed = found.iter().find(|result| result.task_id == ids[1]).unwrap();
    assert!(found.len() == 3 && completed.decode::<String>().unwrap() == "done", "{found:?}");
}

#[tokio::test]
async fn c23_a_retried_task_comes_when_it_has_ended_again() {
    let results = Arc::new(MemoryResultStorage::new());
    let memory = Backend::new(Arc::new(MemoryQueue::new())).with_results(results);
    a_retried_task_comes_when_it_has_ended_again(&memory).await;
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    a_retried_task_comes_when_it_has_ended_again(backend.backend()).await;
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c23_without_results_there_is_nothing_to_wait_for() {
    let backend = Backend::new(Arc::new(MemoryQueue::new()));
    let mut stream = backend.wait_many(&[TaskId::new()], PATIENCE);
    assert!(stream.next().await.unwrap().unwrap_err().is_config());
    assert!(stream.next().await.is_none());
}

#[test]
fn c23_a_blocking_backend_iterates_over_results_as_they_come() {
    let db = database();
    let backend = open(&db);
    let ids: Vec<TaskId> = (0..1_100).map(|_| TaskId::new()).collect();
    let store = |ids: &[TaskId]| {
        let results = ids.iter().map(|id| TaskResult::new(*id, ResultStatus::Completed)).collect();
        omniq::BlockingResults::new(Arc::clone(backend.as_async().results().unwrap()))
            .store_many_sync(results)
    };
    store(&ids[..1_050]).unwrap();
    let mut results = backend.wait_many_sync(&ids, PATIENCE);
    assert_eq!(results.by_ref().take(1_050).map(Result::unwrap).count(), 1_050);
    store(&ids[1_050..]).unwrap();
    assert_eq!(results.map(Result::unwrap).count(), 50);

    let late = [TaskId::new()];
    let mut results = backend.wait_many_sync(&late, Duration::from_millis(20));
    assert!(results.next().unwrap().unwrap_err().is_timeout() && results.next().is_none());
    // On a thread of a runtime it is refused as every blocking verb.
    let twin = BlockingBackend::new(backend.as_async().clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(async move { twin.wait_many_sync(&late, PATIENCE).next() });
    assert!(refused.unwrap().unwrap_err().is_blocking_in_async());
    backend.close_sync().unwrap();
}
