//! What becomes of an enqueue while another task holds its key.

use std::time::Duration;

use jiff::Timestamp;

use super::{enqueue, new};
use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

fn replacing(number: i64) -> NewTask {
    task(number).unique(Unique::key("k").on_conflict(OnConflict::Replace))
}

fn rescheduling(number: i64) -> NewTask {
    task(number).unique(Unique::key("k").on_conflict(OnConflict::Reschedule))
}

/// A task that waits gets everything of the new one, and keeps its id, its place and its start time.
pub async fn c22_replace_changes_a_task_that_waits(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = new(enqueue(&queue, replacing(1).delay(HOUR).ttl(HOUR)).await);
    let before = queue.get(first).await.unwrap().unwrap();
    let mut other = NewTask::new("other", &vec![1, 2])
        .unwrap()
        .queue("elsewhere")
        .priority(7)
        .max_retries(9)
        .timeout(Duration::from_secs(5))
        .backoff(Backoff::fixed(HOUR))
        .metadata("tenant", "acme")
        .delay(2 * HOUR);
    other.unique = replacing(2).unique;
    assert_eq!(enqueue(&queue, other.clone()).await, Enqueued::Replaced(first));
    let after = queue.get(first).await.unwrap().unwrap();
    let mut expected = Task::from_new(other.clone(), first, before.seq, before.created_at);
    (expected.state, expected.run_at, expected.expires_at) = (before.state, before.run_at, before.expires_at);
    expected.unique = before.unique.clone();
    assert_eq!(after, expected);
    let stats = queue.queues().await.unwrap();
    assert_eq!(
        stats.iter().map(|queue| (queue.name.as_str(), queue.scheduled)).collect::<Vec<_>>(),
        [("elsewhere", 1)]
    );
    // A running one cannot take the change: a new one is made.
    queue.retry(first).await.unwrap();
    let held = queue.dequeue(from("elsewhere")).await.unwrap().unwrap();
    assert_eq!(held.payload, other.payload);
    new(enqueue(&queue, replacing(3)).await);
    // With `until = end` the running one holds the key.
    let until_end = |number| {
        let unique = Unique::key("end").on_conflict(OnConflict::Replace).until(Until::End);
        task(number).queue("end").unique(unique)
    };
    let first = new(enqueue(&queue, until_end(4)).await);
    let held = queue.dequeue(from("end")).await.unwrap().unwrap();
    assert_eq!(enqueue(&queue, until_end(5)).await, Enqueued::Skipped(first));
    queue.complete(&held).await.unwrap();
    new(enqueue(&queue, until_end(6)).await);
    fixture.check().await;
}

/// A debounce: each enqueue puts the start off, up to `max_wait` after the first one.
pub async fn c22_reschedule_puts_the_start_off(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = new(enqueue(&queue, rescheduling(1).delay(Duration::from_secs(60))).await);
    assert_eq!(enqueue(&queue, rescheduling(2).delay(HOUR).ttl(HOUR)).await, Enqueued::Rescheduled(first));
    let task = queue.get(first).await.unwrap().unwrap();
    assert_near(task.run_at, Timestamp::now() + HOUR);
    assert_eq!((number(&task), task.expires_at), (2, Some(task.run_at + HOUR)));
    let capped = |number: i64, wait: Duration| {
        let unique = Unique::key("k").on_conflict(OnConflict::Reschedule).max_wait(wait);
        super::task(number).delay(HOUR).unique(unique)
    };
    assert_eq!(enqueue(&queue, capped(3, Duration::from_secs(600))).await, Enqueued::Rescheduled(first));
    let put_off = queue.get(first).await.unwrap().unwrap();
    assert_eq!(put_off.run_at, put_off.created_at + Duration::from_secs(600));
    assert_eq!((put_off.state, put_off.expires_at), (TaskState::Scheduled, None));
    // The limit is over: it starts at once.
    pause(2).await;
    assert_eq!(enqueue(&queue, capped(4, Duration::from_millis(1))).await, Enqueued::Rescheduled(first));
    assert_eq!(number(&take(&queue).await), 4);
    // A ready one becomes a scheduled one.
    let second = new(enqueue(&queue, rescheduling(5)).await);
    assert_eq!(enqueue(&queue, rescheduling(6).delay(HOUR)).await, Enqueued::Rescheduled(second));
    assert!(is_empty(&queue).await);
    assert_eq!(enqueue(&queue, rescheduling(7)).await, Enqueued::Rescheduled(second));
    assert_eq!(number(&take(&queue).await), 7);
    fixture.check().await;
}

/// Nothing of the call is written.
pub async fn c22_a_conflict_that_is_an_error_refuses_the_call(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let strict = |number| task(number).unique(Unique::key("k").on_conflict(OnConflict::Error));
    let first = new(enqueue(&queue, strict(1)).await);
    let replace = task(2).unique(Unique::key("other").on_conflict(OnConflict::Replace));
    new(enqueue(&queue, replace.clone()).await);
    let mut changed = replace.clone();
    changed.payload = Payload::json(&3).unwrap();
    let error = queue.enqueue_unique_many(vec![task(4), changed, strict(5)]).await.unwrap_err();
    assert!(error.is_duplicate() && error.message().contains(&first.to_string()), "{error}");
    let fresh = |number| task(number).unique(Unique::key("fresh").on_conflict(OnConflict::Error));
    let error = queue.enqueue_unique_many(vec![fresh(6), fresh(7)]).await.unwrap_err();
    assert!(error.is_duplicate() && error.message().contains("\"fresh\""), "{error}");
    assert_eq!(numbers(&take_many(&queue, 10).await), [1, 2]);
    new(enqueue(&queue, fresh(8)).await);
    fixture.check().await;
}

/// Tasks of one call with one key are as if they came one after the other.
pub async fn c22_tasks_of_one_call_follow_one_another(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let skipping = |number| task(number).unique(Unique::key("k"));
    let tasks = vec![skipping(1), replacing(2), rescheduling(3).delay(HOUR), replacing(4), skipping(5)];
    let enqueued = queue.enqueue_unique_many(tasks).await.unwrap();
    let id = new(enqueued[0]);
    assert_eq!(
        enqueued[1..],
        [Enqueued::Replaced(id), Enqueued::Rescheduled(id), Enqueued::Replaced(id), Enqueued::Skipped(id)]
    );
    let task = queue.get(id).await.unwrap().unwrap();
    assert_eq!((number(&task), task.state), (4, TaskState::Scheduled));
    let many: Vec<NewTask> = (0..1_000).map(|n| super::unique(n, &format!("key {}", n % 700))).collect();
    let enqueued = queue.enqueue_unique_many(many).await.unwrap();
    assert!(enqueued[..700].iter().all(|one| one.is_new()));
    for (later, first) in enqueued[700..].iter().zip(&enqueued) {
        assert_eq!(*later, Enqueued::Skipped(first.id()));
    }
    assert_eq!(total(&queue).await, 701);
    fixture.check().await;
}
