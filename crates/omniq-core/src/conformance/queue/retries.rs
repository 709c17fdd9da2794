//! C22: retries and their backoff.

use std::time::Duration;

use jiff::Timestamp;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// `max_retries` counts the runs after the first: 2 allows 3 runs.
pub async fn c22_max_retries_counts_extra_runs(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let soon = Backoff::fixed(Duration::from_millis(1));
    let id = queue.enqueue(task(1).max_retries(2).backoff(soon)).await.unwrap();
    for attempt in 1..=3 {
        let wait = from("default").timeout(Duration::from_secs(30));
        let held = queue.dequeue(wait).await.unwrap().unwrap();
        assert_eq!(held.attempt, attempt);
        let error = TaskError::new("Boom", format!("run {attempt}"));
        let expected = if attempt < 3 { TaskState::Scheduled } else { TaskState::Dead };
        assert_eq!(queue.fail(&held, error.clone()).await.unwrap(), expected);
        assert_eq!(queue.get(id).await.unwrap().unwrap().error, Some(error));
    }
    pause(100).await;
    assert!(is_empty(&queue).await);
}

/// Each wait is longer than the one before, up to the maximum; jitter only adds.
pub async fn c22_backoff_grows_up_to_its_maximum(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let backoff = Backoff { initial: HOUR, factor: 3.0, max: HOUR * 5, jitter: 0.5, ..Backoff::default() };
    let id = queue.enqueue(task(1).max_retries(9).backoff(backoff)).await.unwrap();
    for expected in [HOUR, HOUR * 3, HOUR * 5, HOUR * 5] {
        queue.fail(&take(&queue).await, boom()).await.unwrap();
        let waiting = queue.get(id).await.unwrap().unwrap();
        assert_eq!(waiting.state, TaskState::Scheduled);
        let wait = waiting.run_at.duration_since(Timestamp::now()).as_secs_f64();
        let expected = expected.as_secs_f64();
        assert!((expected - 10.0..=expected * 1.5 + 10.0).contains(&wait), "{wait} after {expected}");
        queue.retry(id).await.unwrap();
    }
}

/// A fixed wait, one that grows by a step, one that grows by a factor, and waits from a list, whose last one stays.
pub async fn c22_backoff_is_fixed_linear_exponential_or_a_list(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let plain = |backoff| Backoff { jitter: 0.0, ..backoff };
    let forms = [
        (Backoff::fixed(HOUR), [1, 1, 1, 1]),
        (Backoff { max: HOUR * 3, ..plain(Backoff::linear(HOUR)) }, [1, 2, 3, 3]),
        (Backoff { max: HOUR * 100, ..plain(Backoff::exponential(HOUR, 3.0)) }, [1, 3, 9, 27]),
        (Backoff::list([HOUR * 5, HOUR, HOUR * 2]), [5, 1, 2, 2]),
    ];
    for (backoff, hours) in forms {
        let id = queue.enqueue(task(1).max_retries(9).backoff(backoff.clone())).await.unwrap();
        for expected in hours {
            queue.fail(&take(&queue).await, boom()).await.unwrap();
            let waiting = queue.get(id).await.unwrap().unwrap();
            assert_eq!(waiting.backoff, backoff);
            assert_near(waiting.run_at, Timestamp::now() + HOUR * expected);
            queue.retry(id).await.unwrap();
        }
        queue.delete(id).await.unwrap();
    }
}

/// Each of several tasks that failed together is postponed by its own options.
pub async fn c22_each_task_has_its_own_retries(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let tasks = (0..4).map(|number| task(number).max_retries(number as u32 % 2));
    queue.enqueue_many(tasks.collect()).await.unwrap();
    let failed = take_many(&queue, 4).await.into_iter().map(|task| (task, boom())).collect();
    use TaskState::{Dead, Scheduled};
    assert_eq!(queue.fail_many(failed).await.unwrap(), [Dead, Scheduled, Dead, Scheduled]);
    for (number, task) in queue.list(&TaskFilter::default()).await.unwrap().iter().enumerate() {
        assert_eq!(task.state, if number % 2 == 0 { Dead } else { Scheduled });
    }
}

/// A dead letter that a user retries starts anew, with all its retries.
pub async fn c22_a_retried_dead_letter_starts_again_from_zero(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).max_retries(0)).await.unwrap();
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    queue.retry(id).await.unwrap();
    let waiting = queue.get(id).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.attempt), (TaskState::Ready, 0));
    assert_near(waiting.run_at, Timestamp::now());
    let again = take(&queue).await;
    assert_eq!(again.attempt, 1);
    queue.complete(&again).await.unwrap();
}

/// A scheduled task runs at once; its attempts stay counted. A ready one stays ready.
pub async fn c22_a_retried_scheduled_task_runs_at_once(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).delay(HOUR)).await.unwrap();
    queue.retry(id).await.unwrap();
    queue.retry(id).await.unwrap();
    queue.retry_later(&take(&queue).await, HOUR, None).await.unwrap();
    queue.retry(id).await.unwrap();
    assert_eq!(take(&queue).await.attempt, 2);
}

/// A running task cannot be retried, nor one that does not exist.
pub async fn c22_retry_of_a_running_task_is_a_conflict(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let held = take(&queue).await;
    let error = queue.retry(id).await.unwrap_err();
    assert!(error.is_conflict() && error.message().contains("is running and cannot be retried"), "{error:?}");
    assert!(queue.retry(TaskId::new()).await.unwrap_err().is_not_found());
    queue.complete(&held).await.unwrap();
    assert!(queue.retry(id).await.unwrap_err().is_not_found());
}
