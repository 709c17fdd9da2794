//! C18: pause and resume.

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// A paused queue allows no claims, accepts new tasks, and lets running tasks end.
pub async fn c18_pause_stops_claims_only(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    add(&queue, 0..2).await;
    let held = take(&queue).await;
    other.pause("default").await.unwrap();
    other.pause("default").await.unwrap();
    assert!(is_empty(&queue).await);
    add(&queue, [2]).await;
    queue.release(&held).await.unwrap();
    assert!(is_empty(&queue).await);
    other.resume("default").await.unwrap();
    assert_eq!(numbers(&take_many(&queue, 10).await), [0, 1, 2]);
}

/// Other queues of the same request are unaffected.
pub async fn c18_pause_of_one_queue_leaves_the_others(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for (number, name) in ["a", "b", "a", "c"].into_iter().enumerate() {
        queue.enqueue(task(number as i64).queue(name)).await.unwrap();
    }
    queue.pause("a").await.unwrap();
    let request = Dequeue::from(["a", "b", "c"]).limit(10);
    assert_eq!(numbers(&queue.dequeue_many(request.clone()).await.unwrap()), [1, 3]);
    queue.resume("a").await.unwrap();
    assert_eq!(numbers(&queue.dequeue_many(request).await.unwrap()), [0, 2]);
}

/// A queue can be paused before it has tasks; resuming a queue that is not paused does nothing.
pub async fn c18_pause_of_an_empty_queue(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    queue.resume("default").await.unwrap();
    queue.pause("default").await.unwrap();
    add(&queue, [1]).await;
    assert!(is_empty(&queue).await);
    queue.resume("default").await.unwrap();
    queue.resume("default").await.unwrap();
    assert_eq!(numbers(&take_many(&queue, 10).await), [1]);
    for bad in ["", "a\0b", &"q".repeat(129)] {
        assert!(queue.pause(bad).await.unwrap_err().is_invalid());
        assert!(queue.resume(bad).await.unwrap_err().is_invalid());
    }
}
