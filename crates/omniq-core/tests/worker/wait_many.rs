//! The wait for many results: how often it looks, and what becomes of errors.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use omniq_core::layers::ResultsLayer;
use omniq_core::*;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(60);

/// A result store that notes how many results each call asks for, and fails as often as requested.
#[derive(Debug)]
struct Counting {
    inner: MemoryResultStorage,
    asked: Mutex<Vec<usize>>,
    faults: Mutex<Vec<Error>>,
}

#[async_trait]
impl ResultsLayer for Counting {
    fn below(&self) -> &dyn ResultStorage {
        &self.inner
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        self.asked.lock().unwrap().push(ids.len());
        let fault = self.faults.lock().unwrap().pop();
        match fault {
            Some(error) => Err(error),
            None => self.inner.get_many(ids).await,
        }
    }
}

fn counting() -> (Arc<Counting>, Backend) {
    let (asked, faults) = (Mutex::default(), Mutex::default());
    let results = Arc::new(Counting { inner: MemoryResultStorage::new(), asked, faults });
    (Arc::clone(&results), Backend::new(Arc::new(MemoryQueue::new())).with_results(results))
}

fn new_ids(count: usize) -> Vec<TaskId> {
    (0..count).map(|_| TaskId::new()).collect()
}

async fn store(results: &Counting, ids: &[TaskId]) {
    let done = ids.iter().map(|id| TaskResult::new(*id, ResultStatus::Completed));
    results.inner.store_many(done.collect()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_many_asks_in_bounded_queries_and_pauses_while_nothing_comes() {
    let (results, backend) = counting();
    let ids = new_ids(2_500);
    let begun = Instant::now();
    let error = backend.wait_many(&ids, Duration::from_secs(10)).next().await.unwrap().unwrap_err();
    assert!(error.is_timeout() && begun.elapsed() < Duration::from_secs(11), "{error:?}");
    let mut asked = std::mem::take(&mut *results.asked.lock().unwrap());
    assert_eq!(asked.pop(), Some(1), "the look for why the first one is missing");
    assert!(asked.chunks(3).all(|round| round == [1_000, 1_000, 500]), "{asked:?}");
    assert!((50..80).contains(&(asked.len() / 3)), "{} rounds", asked.len() / 3);

    // What has come is not asked for again, and a stream that is not read asks for nothing.
    store(&results, &ids[..2_000]).await;
    let mut stream = backend.wait_many(&ids, LONG);
    for _ in 0..2_000 {
        stream.try_next().await.unwrap().unwrap();
    }
    tokio::time::sleep(LONG / 2).await;
    assert_eq!(std::mem::take(&mut *results.asked.lock().unwrap()), [1_000, 1_000]);
    store(&results, &ids[2_000..]).await;
    assert_eq!(stream.count().await, 500);
    assert_eq!(*results.asked.lock().unwrap(), [500]);
}

/// The reader goes on after the timeout, in the middle of a round.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_all_that_was_stored_in_time() {
    let (results, backend) = counting();
    let ids = new_ids(1_500);
    store(&results, &ids[..1]).await;
    let mut stream = backend.wait_many(&ids, Duration::from_secs(5));
    assert_eq!(stream.try_next().await.unwrap().unwrap().task_id, ids[0]);
    store(&results, &ids[1..]).await;
    tokio::time::sleep(LONG).await;
    let rest: Vec<TaskResult> = stream.try_collect().await.unwrap();
    assert_eq!(rest.len(), 1_499);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_many_outlasts_an_outage_and_ends_with_a_lasting_error() {
    let (results, backend) = counting();
    let ids = new_ids(2);
    store(&results, &ids).await;
    *results.faults.lock().unwrap() = vec![Error::unavailable("away"); 5];
    let found: Vec<TaskResult> = backend.wait_many(&ids, LONG).try_collect().await.unwrap();
    assert_eq!((found.len(), results.asked.lock().unwrap().len()), (2, 6));

    *results.faults.lock().unwrap() = vec![Error::unavailable("away"); 1_000];
    let error = backend.wait_many(&ids, Duration::from_secs(1)).next().await.unwrap().unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(error.is_timeout() && cause.as_deref() == Some("away"), "{error:?}");

    *results.faults.lock().unwrap() = vec![Error::permission_denied("not yours")];
    let mut stream = backend.wait_many(&ids, LONG);
    assert!(stream.next().await.unwrap().unwrap_err().is_permission_denied());
    assert!(stream.next().await.is_none());
}

/// A binding waits by batches, and adds tasks in between.
#[tokio::test(start_paused = true)]
async fn a_wait_for_many_takes_more_tasks_and_loses_nothing_if_a_step_is_dropped() {
    let (results, backend) = counting();
    let ids = new_ids(3);
    let mut waiting = WaitMany::new(LONG);
    assert!(waiting.next(&backend).await.unwrap().is_empty());
    waiting.add(&ids[..2]);
    assert!(tokio::time::timeout(Duration::from_secs(1), waiting.next(&backend)).await.is_err());
    store(&results, &ids).await;
    assert_eq!(waiting.next(&backend).await.unwrap().len(), 2);
    waiting.add(&ids[2..]);
    assert_eq!(waiting.next(&backend).await.unwrap()[0].task_id, ids[2]);
    assert!(waiting.next(&backend).await.unwrap().is_empty());
}

/// A binding learns of a task that has left no result, while the others are waited for.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_deleted_is_told_at_once_and_ends_the_wait_for_no_other() {
    let results = Arc::new(MemoryResultStorage::new());
    let backend = Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::clone(&results) as _);
    let ids = backend.enqueue_many(vec![NewTask::new("f", &()).unwrap(); 2]).await.unwrap();
    let mut waiting = WaitMany::new(LONG);
    waiting.add(&ids);
    assert!(tokio::time::timeout(Duration::from_millis(10), waiting.next_ended(&backend)).await.is_err());
    backend.queue().delete(ids[0]).await.unwrap();
    let ended = waiting.next_ended(&backend).await.unwrap();
    assert!(ended.results.is_empty());
    let (id, error) = &ended.without[0];
    assert!(
        *id == ids[0] && error.is_not_found() && error.message().contains(&ids[0].to_string()),
        "{error:?}"
    );
    results.store_many(vec![TaskResult::new(ids[1], ResultStatus::Completed)]).await.unwrap();
    assert_eq!(waiting.next_ended(&backend).await.unwrap().results[0].task_id, ids[1]);
    assert!(waiting.next_ended(&backend).await.unwrap().is_empty());
}
