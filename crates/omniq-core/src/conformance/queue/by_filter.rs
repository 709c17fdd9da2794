//! C18, C20: verbs on all tasks that a filter selects, in any number.

use std::sync::Arc;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

fn of(state: TaskState) -> TaskFilter {
    TaskFilter { state: Some(state), ..TaskFilter::default() }
}

/// Makes dead letters with an error of this type.
async fn fail(queue: &Arc<dyn TaskQueue>, values: std::ops::Range<i64>, error: &str) {
    let tasks = values.map(|value| task(value).max_retries(0));
    queue.enqueue_many(tasks.collect()).await.unwrap();
    loop {
        let held = take_many(queue, 500).await;
        if held.is_empty() {
            return;
        }
        let failed = held.into_iter().map(|task| (task, TaskError::new(error, "x")));
        queue.fail_many(failed.collect()).await.unwrap();
    }
}

/// All dead letters that the filter selects start anew, more than one page of them; nothing else is touched.
pub async fn c18_retry_all_revives_what_the_filter_selects(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    fail(&queue, 0..1_205, "Down").await;
    fail(&queue, 2_000..2_003, "Broken").await;
    queue.enqueue(task(3_000).delay(HOUR).max_retries(0)).await.unwrap();
    let filter = TaskFilter { error: Some("Do*".to_owned()), ..TaskFilter::default() };
    assert_eq!(queue.retry_all(&filter).await.unwrap(), 1_205);
    assert_eq!(queue.retry_all(&filter).await.unwrap(), 0, "a ready task is no dead letter");
    assert_eq!(queue.count(&of(TaskState::Ready)).await.unwrap(), 1_205);
    assert_eq!(queue.count(&of(TaskState::Dead)).await.unwrap(), 3);
    let again = take(&queue).await;
    assert_eq!((again.attempt, again.error.as_ref().unwrap().kind.as_str()), (1, "Down"));
    queue.complete(&again).await.unwrap();

    assert_eq!(
        queue.retry_all(&TaskFilter::default()).await.unwrap(),
        3,
        "dead letters unless it says otherwise"
    );
    assert_eq!(queue.retry_all(&of(TaskState::Scheduled)).await.unwrap(), 1);
    assert_eq!(queue.count(&of(TaskState::Ready)).await.unwrap(), 1_208);
    let page = TaskFilter { limit: Some(1), ..of(TaskState::Dead) };
    fail(&queue, 0..0, "Again").await;
    assert_eq!(queue.retry_all(&page).await.unwrap(), 1_208, "it knows no pages");
    for state in [TaskState::Running, TaskState::Ready, TaskState::Completed] {
        let error = queue.retry_all(&of(state)).await.unwrap_err();
        assert!(error.is_invalid() && error.message().contains("dead, scheduled"), "{error:?}");
    }
}

/// All that wait leave the queue, and the workers of those that run are asked to stop them.
pub async fn c18_cancel_all_cancels_what_the_filter_selects(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    fail(&queue, 0..2, "Down").await;
    add(&queue, 0..30).await;
    let running = take_many(&queue, 3).await;
    queue.enqueue(task(30).delay(HOUR)).await.unwrap();
    queue.enqueue(NewTask::new("play", &31).unwrap()).await.unwrap();
    let play = TaskFilter { func: Some("play".to_owned()), ..TaskFilter::default() };
    let counts = queue.cancel_all(&play).await.unwrap();
    assert_eq!((counts.done, counts.requested), (1, 0));
    let counts = queue.cancel_all(&of(TaskState::Scheduled)).await.unwrap();
    assert_eq!((counts.done, counts.requested), (1, 0));
    let counts = queue.cancel_all(&TaskFilter::default()).await.unwrap();
    assert_eq!((counts.done, counts.requested), (27, 3));
    assert_eq!((queue.count(&of(TaskState::Dead)).await.unwrap(), total(&queue).await), (2, 5));
    let error = queue.cancel_all(&of(TaskState::Dead)).await.unwrap_err();
    assert!(error.is_invalid() && error.message().contains("scheduled, ready, running"), "{error:?}");
    queue.complete_many(&running).await.unwrap();
}

/// A number of the queue leaves out what is enqueued after it was given, in every verb that takes a filter.
pub async fn c18_a_number_leaves_out_what_is_enqueued_later(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let numbered = async || TaskFilter { max_seq: queue.last_seq().await.unwrap(), ..TaskFilter::default() };
    let none = numbered().await;
    assert_eq!(none.max_seq, Some(0), "nothing was enqueued");
    let later = || (10..13).map(|value| task(value).delay(HOUR)).collect::<Vec<_>>();
    queue.enqueue_many(later()).await.unwrap();
    add(&queue, 0..3).await;
    let first = numbered().await;
    assert_eq!(first, numbered().await);
    let newest = queue.list(&TaskFilter::default()).await.unwrap().iter().map(|task| task.seq).max();
    assert_eq!(first.max_seq, newest, "the last task has this number");
    add(&queue, 3..5).await;
    queue.enqueue_many(later()).await.unwrap();
    assert_eq!(queue.list(&none).await.unwrap(), []);
    assert_eq!(numbers(&queue.list(&first).await.unwrap()), [10, 11, 12, 0, 1, 2]);
    assert_eq!((queue.count(&first).await.unwrap(), total(&queue).await), (6, 11));
    let scheduled = TaskFilter { state: Some(TaskState::Scheduled), ..first.clone() };
    assert_eq!(queue.retry_all(&scheduled).await.unwrap(), 3);
    assert_eq!(queue.count(&of(TaskState::Scheduled)).await.unwrap(), 3);
    let taken = take_many(&queue, 2).await;
    queue.complete_many(&taken).await.unwrap();
    let counts =
        queue.cancel_all(&TaskFilter { func: Some("work".to_owned()), ..first.clone() }).await.unwrap();
    assert_eq!((counts.done, counts.requested), (4, 0));
    assert_eq!((queue.count(&first).await.unwrap(), total(&queue).await), (0, 5));
    let second = numbered().await;
    add(&queue, 5..6).await;
    assert_eq!((queue.purge(&first).await.unwrap(), queue.delete_all(&first).await.unwrap()), (0, 0));
    assert_eq!(queue.delete_all(&second).await.unwrap(), 5);
    assert_eq!(queue.purge(&numbered().await).await.unwrap(), 1);
    fixture.check().await;
}

/// All that do not run are removed, more than one page of them.
pub async fn c18_delete_all_removes_what_the_filter_selects(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    fail(&queue, 0..2, "Down").await;
    let many = (0..1_100).map(|value| task(value).id(TaskId::new()));
    queue.enqueue_many(many.collect()).await.unwrap();
    add(&queue, 1_100..1_200).await;
    let running = take(&queue).await;
    queue.enqueue(task(1_200).delay(HOUR)).await.unwrap();
    let down = TaskFilter { error: Some("Down".to_owned()), ..TaskFilter::default() };
    assert_eq!(queue.delete_all(&down).await.unwrap(), 2);
    let since = TaskFilter { since: Some(jiff::Timestamp::now() + HOUR), ..TaskFilter::default() };
    assert_eq!(queue.delete_all(&since).await.unwrap(), 0);
    assert_eq!(queue.delete_all(&of(TaskState::Running)).await.unwrap(), 0);
    assert_eq!(queue.delete_all(&of(TaskState::Ready)).await.unwrap(), 1_199);
    assert_eq!(queue.delete_all(&TaskFilter::default()).await.unwrap(), 1);
    assert_eq!(total(&queue).await, 1);
    queue.complete(&running).await.unwrap();
    fixture.check().await;
}
