//! C23: wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::conformance::ResultFixture;
use crate::conformance::support::*;
use crate::*;

const LONG: Duration = Duration::from_secs(60);
const EARLY: Duration = Duration::from_secs(20);

fn done(id: TaskId) -> TaskResult {
    TaskResult::new(id, ResultStatus::Completed)
}

/// A result that exists is returned at once, even with a timeout of zero.
pub async fn c23_wait_returns_what_is_there(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let id = TaskId::new();
    results.store(done(id)).await.unwrap();
    assert_eq!(results.wait(id, Duration::ZERO).await.unwrap().task_id, id);
    assert_eq!(results.wait(id, LONG).await.unwrap().task_id, id);
}

/// A result that another object stores ends the wait; results of other tasks do not.
pub async fn c23_wait_returns_early(fixture: &dyn ResultFixture) {
    let (results, other) = (fixture.results().await, fixture.results().await);
    let ids: Vec<_> = (0..5).map(|_| TaskId::new()).collect();
    let waiting = ids.iter().map(|id| {
        let (results, id) = (results.clone(), *id);
        tokio::spawn(async move { results.wait(id, LONG).await })
    });
    let waiting: Vec<_> = waiting.collect();
    pause(300).await;
    other.store(done(TaskId::new())).await.unwrap();
    pause(100).await;
    assert!(waiting.iter().all(|wait| !wait.is_finished()));
    other.store_many(ids.iter().copied().map(done).collect()).await.unwrap();
    for (wait, id) in waiting.into_iter().zip(ids) {
        let answer = tokio::time::timeout(EARLY, wait).await.expect("it should wake early");
        assert_eq!(answer.unwrap().unwrap().task_id, id);
    }
}

/// Every result that is stored rings: those of waits that began before and after it is stored, and those of one storage among
/// many.
pub async fn c23_results_ring_those_who_wait(fixture: &dyn ResultFixture) {
    if fixture.results().await.ends().is_none() {
        return;
    }
    crate::ends::rely_on_rings();
    let (results, other) = (fixture.results().await, fixture.results().await);
    let backend = Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::clone(&results));
    for round in 0..12 {
        let ids: Vec<_> = (0..1 + round % 3).map(|_| TaskId::new()).collect();
        let waits: Vec<_> = ids
            .iter()
            .map(|id| {
                let (results, backend, id) = (results.clone(), backend.clone(), *id);
                tokio::spawn(async move {
                    match round % 2 {
                        0 => backend.wait(id, LONG).await,
                        _ => results.wait(id, LONG).await,
                    }
                })
            })
            .collect();
        pause(round % 4 * 4).await;
        other.store_many(ids.iter().copied().map(done).collect()).await.unwrap();
        for wait in waits {
            tokio::time::timeout(EARLY, wait).await.expect("a ring was lost").unwrap().unwrap();
        }
    }
}

/// A wait takes its whole timeout, and the error names the task.
pub async fn c23_wait_times_out(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let id = TaskId::new();
    let start = Instant::now();
    let error = results.wait(id, Duration::from_millis(500)).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert!(start.elapsed() < EARLY);
    assert!(error.is_timeout() && error.message().contains(&id.to_string()), "{error:?}");
    assert!(results.wait(id, Duration::ZERO).await.unwrap_err().is_timeout());
}

/// A close ends the wait.
pub async fn c13_close_ends_a_wait(fixture: &dyn ResultFixture) {
    let results = fixture.results().await;
    let waiting = tokio::spawn({
        let results = results.clone();
        async move { results.wait(TaskId::new(), LONG).await }
    });
    pause(300).await;
    results.close().await.unwrap();
    let answer = tokio::time::timeout(EARLY, waiting).await.expect("it should end");
    assert!(answer.unwrap().unwrap_err().is_closed());
}
