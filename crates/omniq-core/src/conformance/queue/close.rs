//! C11, C13: the end of a queue object.

use std::time::Duration;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// The tasks that the object held are handed back, the attempt not counted; other objects are unaffected.
pub async fn c13_close_releases_what_is_held(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    add(&queue, 0..3).await;
    let held = take_many(&queue, 2).await;
    let theirs = take(&other).await;
    queue.close().await.unwrap();
    let again = take_many(&other, 10).await;
    assert_eq!(numbers(&again), [0, 1]);
    assert!(again.iter().all(|task| task.attempt == 1));
    assert!(other.complete(&held[0]).await.unwrap_err().is_claim_lost());
    other.complete(&theirs).await.unwrap();
}

/// Closing an object twice, or one that was never used, is harmless.
pub async fn c13_closing_twice_is_harmless(fixture: &dyn QueueFixture) {
    let (queue, unused) = (fixture.queue().await, fixture.queue().await);
    add(&queue, [1]).await;
    for _ in 0..3 {
        queue.close().await.unwrap();
        unused.close().await.unwrap();
    }
    assert_eq!(total(&fixture.queue().await).await, 1);
}

/// After close every verb fails with `is_closed`.
pub async fn c13_after_close_every_verb_fails(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let held = take(&queue).await;
    let filter = TaskFilter::default();
    let mut heartbeats = queue.heartbeat_connection();
    queue.close().await.unwrap();
    let errors = [
        queue.enqueue(task(1)).await.err(),
        queue.dequeue(from("default")).await.err(),
        queue.complete(&held).await.err(),
        queue.fail(&held, boom()).await.err(),
        queue.release(&held).await.err(),
        queue.snooze(&held, HOUR).await.err(),
        queue.discard(&held).await.err(),
        queue.cancel(id).await.err(),
        queue.get(id).await.err(),
        queue.update(id, TaskUpdate::default()).await.err(),
        queue.retry(id).await.err(),
        queue.delete(id).await.err(),
        queue.list(&filter).await.err(),
        queue.count(&filter).await.err(),
        queue.purge(&filter).await.err(),
        queue.pause("default").await.err(),
        queue.resume("default").await.err(),
        queue.queues().await.err(),
        queue.register_worker(&WorkerInfo::new(["default"])).await.err(),
        queue.claim(WorkerId(1), &from("default")).await.err(),
        queue.deregister_worker(WorkerId(1)).await.err(),
        queue.subscribe(WorkerId(1), &["default".to_owned()]).await.err(),
        queue.lost(1).await.err(),
        queue.expired(1).await.err(),
        heartbeats.heartbeat(WorkerId(1)).await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("verb number {index} works after close"));
        assert!(error.is_closed(), "verb number {index}: {error:?}");
    }
    assert_eq!(state(&fixture.queue().await, id).await, Some(TaskState::Ready));
}

/// Close ends a dequeue that waits.
pub async fn c13_close_ends_a_waiting_dequeue(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let sleeper = tokio::spawn({
        let queue = queue.clone();
        async move { queue.dequeue(from("default").timeout(Duration::from_secs(60))).await }
    });
    pause(300).await;
    queue.close().await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), sleeper).await.expect("it should wake");
    assert!(answer.unwrap().unwrap_err().is_closed());
}

/// Objects on the same tasks share a location; it shows no secret.
pub async fn c04_objects_on_the_same_tasks_share_a_location(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    assert_eq!(queue.location(), other.location());
    assert!(!format!("{:?}", queue.location()).is_empty());
}
