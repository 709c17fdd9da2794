//! C16: many workers, every task claimed once, no worker waits for another.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// Claims until the queue is empty, and completes the claimed tasks.
async fn drain(queue: Arc<dyn TaskQueue>, limit: u32) -> Vec<i64> {
    let mut got = Vec::new();
    loop {
        let tasks = take_many(&queue, limit).await;
        if tasks.is_empty() {
            return got;
        }
        queue.complete_many(&tasks).await.unwrap();
        got.extend(numbers(&tasks));
    }
}

/// Eight objects with claims of different sizes share one batch of tasks: each task is run once.
pub async fn c16_every_task_is_claimed_once(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..600).await;
    let mut workers = Vec::new();
    for limit in [1, 2, 3, 5, 8, 13, 21, 50] {
        workers.push(tokio::spawn(drain(fixture.queue().await, limit)));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    assert_eq!(all.len(), 600, "no task may run twice");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (0..600).collect());
    assert_eq!(total(&queue).await, 0);
}

/// The same through one object that many callers share.
pub async fn c16_one_object_serves_many_callers(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let calls = (0..100).map(|number| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.enqueue(task(number)).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let workers: Vec<_> = (1..5).map(|limit| tokio::spawn(drain(queue.clone(), limit))).collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

/// No other worker can claim a held task, and it does not hold up the next one.
pub async fn c16_a_held_task_is_passed_over(fixture: &dyn QueueFixture) {
    let (one, two) = (fixture.queue().await, fixture.queue().await);
    add(&one, 0..3).await;
    let first = take(&one).await;
    assert_eq!(numbers(&take_many(&two, 10).await), [1, 2]);
    assert!(is_empty(&two).await);
    one.release(&first).await.unwrap();
    assert_eq!(numbers(&take_many(&two, 10).await), [0]);
}

/// Every claim of a task has a higher number than the one before, whichever worker claims.
pub async fn c16_claim_numbers_grow(fixture: &dyn QueueFixture) {
    let (one, two) = (fixture.queue().await, fixture.queue().await);
    let id = one.enqueue(task(1).max_retries(0)).await.unwrap();
    let mut last = 0;
    for queue in [&one, &two, &two, &one] {
        let task = take(queue).await;
        let number = task.claim.unwrap().number;
        assert!(number > last, "{number} after {last}");
        last = number;
        queue.release(&task).await.unwrap();
    }
    let task = take(&one).await;
    one.fail(&task, boom()).await.unwrap();
    one.retry(id).await.unwrap();
    let again = take(&one).await;
    assert_eq!(again.attempt, 1, "a retry by a user starts anew");
    assert!(again.claim.unwrap().number > task.claim.unwrap().number, "the claim numbers do not");
}

/// Only registered workers claim.
pub async fn c16_an_unknown_worker_claims_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, [1]).await;
    let gone = worker(&queue, HOUR).await;
    assert_eq!(queue.deregister_worker(gone).await.unwrap(), 0);
    for id in [gone, WorkerId(i64::MAX)] {
        let error = queue.claim(id, &from("default")).await.unwrap_err();
        assert!(error.is_claim_lost(), "{error:?}");
    }
    assert_eq!(numbers(&take_many(&queue, 10).await), [1]);
}
