//! C18: how a run can end.

use jiff::Timestamp;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// A completed task leaves the queue, and its id can be used again.
pub async fn c18_complete_removes_the_task(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    queue.complete(&take(&queue).await).await.unwrap();
    assert_eq!(state(&queue, id).await, None);
    assert_eq!((total(&queue).await, is_empty(&queue).await), (0, true));
    queue.enqueue(task(2).id(id)).await.unwrap();
    assert_eq!(number(&take(&queue).await), 2);
}

/// A queue that is set to keep completed tasks lists them; they never run again.
pub async fn c18_completed_tasks_are_kept_on_demand(fixture: &dyn QueueFixture) {
    let queue = fixture.queue_with(Limits::default(), true).await;
    let ids = add(&queue, 0..2).await;
    queue.complete_many(&take_many(&queue, 2).await).await.unwrap();
    let kept = queue.get(ids[0]).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.attempt, kept.claim), (TaskState::Completed, 1, None));
    assert!(is_empty(&queue).await);
    assert_eq!(queue.cancel(ids[0]).await.unwrap(), Cancelled::NotFound);
    for refused in [queue.retry(ids[0]).await, queue.update(ids[0], TaskUpdate::default()).await.map(drop)] {
        let error = refused.unwrap_err();
        assert!(error.is_conflict() && error.message().contains("is completed and cannot be"), "{error:?}");
    }
    queue.delete(ids[0]).await.unwrap();
    let completed = TaskFilter { state: Some(TaskState::Completed), ..TaskFilter::default() };
    assert_eq!(queue.purge(&completed).await.unwrap(), 1);
    assert_eq!(total(&queue).await, 0);
}

/// A task without a retry left becomes a dead letter, with its arguments and its error.
pub async fn c18_fail_without_retries_leaves_a_dead_letter(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(7).max_retries(0)).await.unwrap();
    let error = TaskError::new("Boom", "it broke: ü🦀").with_trace("line 1\nline 2");
    let held = take(&queue).await;
    assert_eq!(queue.fail(&held, error.clone()).await.unwrap(), TaskState::Dead);
    let dead = queue.get(id).await.unwrap().unwrap();
    assert_eq!((dead.state, dead.attempt, number(&dead)), (TaskState::Dead, 1, 7));
    assert_eq!((dead.error, dead.claim), (Some(error), None));
    assert!(is_empty(&queue).await);
    assert!(queue.complete(&held).await.unwrap_err().is_claim_lost());
}

/// Any error text of a handler can be stored.
pub async fn c18_any_error_can_be_stored(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).max_retries(0)).await.unwrap();
    let error =
        TaskError { kind: "a\0b".to_owned(), message: "ü".repeat(70_000), trace: Some("\0".to_owned()) };
    let retried = Outcome::RetryLater { delay: std::time::Duration::ZERO, error: Some(error.clone()) };
    for outcome in [retried, Outcome::Fail { error }] {
        let batch = vec![settlement(&take(&queue).await, outcome)];
        assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Done]);
        let stored = queue.get(id).await.unwrap().unwrap().error.unwrap();
        assert_eq!((stored.kind.as_str(), stored.trace.as_deref()), ("a\u{fffd}b", Some("\u{fffd}")));
        assert!(stored.message.len() < 66_000 && stored.message.starts_with('ü'));
    }
}

/// A task that is handed back is ready at once; the run does not count.
pub async fn c18_release_gives_the_attempt_back(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    for _ in 0..3 {
        let held = take(&queue).await;
        assert_eq!(held.attempt, 1);
        queue.release(&held).await.unwrap();
        let waiting = queue.get(id).await.unwrap().unwrap();
        assert_eq!((waiting.state, waiting.attempt, waiting.claim), (TaskState::Ready, 0, None));
    }
}

/// A postponed task waits; the run does not count.
pub async fn c18_snooze_puts_off_without_counting(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    queue.snooze(&take(&queue).await, HOUR).await.unwrap();
    let waiting = queue.get(id).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempt, waiting.claim), (TaskState::Scheduled, 0, None));
    assert_near(waiting.run_at, Timestamp::now() + HOUR);
    assert!(is_empty(&queue).await);
}

/// A retry by the handler counts the run and keeps the error; it needs no retry left.
pub async fn c18_retry_later_counts_the_attempt(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).max_retries(0)).await.unwrap();
    queue.retry_later(&take(&queue).await, std::time::Duration::ZERO, Some(boom())).await.unwrap();
    let again = take(&queue).await;
    assert_eq!((again.attempt, again.error.clone()), (2, Some(boom())));
    queue.retry_later(&again, HOUR, None).await.unwrap();
    let waiting = queue.get(id).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempt), (TaskState::Scheduled, 2));
    assert_near(waiting.run_at, Timestamp::now() + HOUR);
    assert!(is_empty(&queue).await);
}

/// With a delay of zero the task is ready, not scheduled.
pub async fn c18_no_delay_means_ready(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    queue.snooze(&take(&queue).await, std::time::Duration::ZERO).await.unwrap();
    assert_eq!(state(&queue, id).await, Some(TaskState::Ready));
    queue.retry_later(&take(&queue).await, std::time::Duration::ZERO, None).await.unwrap();
    assert_eq!(state(&queue, id).await, Some(TaskState::Ready));
}

/// A task that its handler drops leaves the queue.
pub async fn c18_discard_removes_the_task(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    queue.discard(&take(&queue).await).await.unwrap();
    assert_eq!(state(&queue, id).await, None);
}

/// A delay above the maximum is refused, and the run goes on.
pub async fn c18_overlong_delays_are_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, [1]).await;
    let held = take(&queue).await;
    let long = std::time::Duration::from_secs(u64::MAX);
    assert!(queue.snooze(&held, long).await.unwrap_err().is_invalid());
    assert!(queue.retry_later(&held, long, None).await.unwrap_err().is_invalid());
    queue.complete(&held).await.unwrap();
}
