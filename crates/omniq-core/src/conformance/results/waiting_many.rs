//! C23: wait for many.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use jiff::{Timestamp, ToSpan};

use crate::conformance::ResultFixture;
use crate::conformance::support::*;
use crate::*;

const LONG: Duration = Duration::from_secs(60);

fn backend(results: &Arc<dyn ResultStorage>) -> Backend {
    Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::clone(results))
}

/// Results of new tasks, each finished a second before the one in front of it.
fn done(count: i64) -> Vec<TaskResult> {
    let now = Timestamp::now();
    (0..count)
        .map(|n| {
            let mut result = TaskResult::new(TaskId::new(), ResultStatus::Completed);
            result.finished_at = now - n.seconds();
            result
        })
        .collect()
}

fn ids(results: &[TaskResult]) -> Vec<TaskId> {
    results.iter().map(|result| result.task_id).collect()
}

/// What is there comes at once, those that ended first at the front, and the others as another object stores them. Each
/// comes once, even if its id was given twice.
pub async fn c23_wait_many_gives_results_as_they_come(fixture: &dyn ResultFixture) {
    let (results, other) = (fixture.results().await, fixture.results().await);
    let (first, second) = (done(3), done(2));
    other.store_many(first.clone()).await.unwrap();
    let asked = [ids(&first), ids(&second), ids(&first)].concat();
    let mut stream = backend(&results).wait_many(&asked, LONG);
    for result in first.iter().rev() {
        assert_eq!(stream.try_next().await.unwrap().unwrap().task_id, result.task_id);
    }
    assert!(tokio::time::timeout(Duration::from_millis(100), stream.next()).await.is_err());
    other.store_many(done(1)).await.unwrap();
    for result in &second {
        other.store(result.clone()).await.unwrap();
        let begun = Instant::now();
        assert_eq!(stream.try_next().await.unwrap().unwrap().task_id, result.task_id);
        assert!(begun.elapsed() < LONG / 2);
    }
    assert!(stream.next().await.is_none());
    assert!(backend(&results).wait_many(&[], Duration::ZERO).next().await.is_none());
}

/// More tasks than one query asks for.
pub async fn c23_wait_many_gives_thousands(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let all = done(2_500);
    results.store_many(all[..2_200].to_vec()).await.unwrap();
    let mut stream = backend(&results).wait_many(&ids(&all), LONG);
    let mut seen = HashSet::new();
    while seen.len() < 2_200 {
        assert!(seen.insert(stream.try_next().await.unwrap().unwrap().task_id));
    }
    results.store_many(all[2_200..].to_vec()).await.unwrap();
    while let Some(result) = stream.try_next().await.unwrap() {
        assert!(seen.insert(result.task_id));
    }
    assert_eq!(seen, ids(&all).into_iter().collect());
}

/// All that is stored before the timeout is over comes, with a timeout of zero too; then an error says what is missing.
/// Results that have expired or were deleted do not come.
pub async fn c23_wait_many_times_out(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let mut all = done(4);
    all[3].ttl = Some(Duration::from_millis(1));
    results.store_many(all.clone()).await.unwrap();
    pause(20).await;
    results.delete(all[2].task_id).await.unwrap();
    let asked = ids(&all);
    let mut stream = backend(&results).wait_many(&asked, Duration::ZERO);
    for id in [asked[1], asked[0]] {
        assert_eq!(stream.try_next().await.unwrap().unwrap().task_id, id);
    }
    let error = stream.try_next().await.unwrap_err();
    assert!(error.is_timeout() && error.message().contains("2 of 4 tasks"), "{error:?}");
    assert!(stream.next().await.is_none());

    let begun = Instant::now();
    let mut stream = backend(&results).wait_many(&asked[2..3], Duration::from_millis(300));
    // It is stored at the end of the timeout, while nothing reads the stream.
    assert!(tokio::time::timeout(Duration::from_millis(50), stream.next()).await.is_err());
    pause(300).await;
    results.store(all[2].clone()).await.unwrap();
    assert_eq!(stream.try_next().await.unwrap().unwrap().task_id, asked[2]);

    let error = backend(&results).wait_many(&asked[3..], Duration::from_millis(300)).next().await;
    let error = error.unwrap().unwrap_err();
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert!(error.is_timeout() && error.message().contains(&asked[3].to_string()), "{error:?}");
}

/// A close ends the wait.
pub async fn c13_close_ends_a_wait_for_many(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let mut stream = backend(&results).wait_many(&[TaskId::new(), TaskId::new()], LONG);
    assert!(tokio::time::timeout(Duration::from_millis(50), stream.next()).await.is_err());
    results.close().await.unwrap();
    assert!(stream.try_next().await.unwrap_err().is_closed());
    assert!(stream.next().await.is_none());
}
