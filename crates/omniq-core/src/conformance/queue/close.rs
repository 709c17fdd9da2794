//! C11, C13: the end of a queue object.

use std::time::Duration;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::layers::{MaintenanceVerbs, QueueVerbs, WorkerVerbs};
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
    let mut heartbeats = queue.heartbeat_connection();
    queue.close().await.unwrap();
    let mut answers = QueueVerbs::call_each(&*queue).await;
    answers.extend(WorkerVerbs::call_each(&*queue).await);
    answers.extend(MaintenanceVerbs::call_each(&*queue).await);
    answers.push(("heartbeat", heartbeats.heartbeat(WorkerId(1), None).await.err()));
    // The verbs of users' transactions need no connection of the queue; not every queue has them, or an upkeep.
    assert_all_closed(
        answers,
        &["settle_statement", "complete_statement", "fail_statement", "enqueue_statement", "maintain"],
    );
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
