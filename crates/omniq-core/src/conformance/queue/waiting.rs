//! C15: a dequeue waits for its timeout, and is woken early by a task.

use std::time::{Duration, Instant};

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

const LONG: Duration = Duration::from_secs(60);
/// Far below [`LONG`], far above what a slow machine needs.
const EARLY: Duration = Duration::from_secs(20);

/// Starts a dequeue that will have to wait.
fn waiting_dequeue(
    queue: &std::sync::Arc<dyn TaskQueue>,
    request: Dequeue,
) -> tokio::task::JoinHandle<Result<Option<Task>>> {
    let queue = queue.clone();
    tokio::spawn(async move { queue.dequeue(request.timeout(LONG)).await })
}

async fn wakes(waiting_dequeue: tokio::task::JoinHandle<Result<Option<Task>>>) -> Task {
    let answer = tokio::time::timeout(EARLY, waiting_dequeue).await.expect("it should wake early");
    answer.unwrap().unwrap().expect("it should wake with a task")
}

/// Without a task a dequeue takes the whole timeout; with a timeout of zero it returns at once.
pub async fn c15_timeout_waits(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    assert!(is_empty(&queue).await);
    let start = Instant::now();
    assert_eq!(queue.dequeue(from("default").timeout(Duration::from_millis(700))).await.unwrap(), None);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(700), "{waited:?}");
    assert!(waited < EARLY, "{waited:?}");
}

/// A task that another object enqueues ends the wait.
pub async fn c15_timeout_waits_and_wakes_early(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    let sleeping = waiting_dequeue(&queue, from("default"));
    pause(300).await;
    add(&other, [5]).await;
    assert_eq!(number(&wakes(sleeping).await), 5);
}

/// So does the start time of a task that exists already, or is added during the wait.
pub async fn c15_a_due_task_ends_a_waiting_dequeue(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    queue.enqueue(task(1).delay(Duration::from_millis(300))).await.unwrap();
    let sleeping = waiting_dequeue(&queue, from("default"));
    let first = wakes(sleeping).await;
    assert_eq!(number(&first), 1);
    assert!(first.claimed_at.unwrap() >= first.run_at);

    let sleeping = waiting_dequeue(&queue, from("default"));
    pause(200).await;
    queue.enqueue(task(2).delay(Duration::from_millis(300))).await.unwrap();
    assert_eq!(number(&wakes(sleeping).await), 2);
}

/// So do a release, a retry, and the resume of another queue in the request.
pub async fn c15_every_task_that_becomes_ready_ends_a_waiting_dequeue(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    let id = queue.enqueue(task(1).max_retries(0)).await.unwrap();
    let held = take(&other).await;
    let sleeping = waiting_dequeue(&queue, from("default"));
    pause(200).await;
    other.release(&held).await.unwrap();
    let held = wakes(sleeping).await;

    queue.fail(&held, boom()).await.unwrap();
    let sleeping = waiting_dequeue(&queue, from("default"));
    pause(200).await;
    other.retry(id).await.unwrap();
    let held = wakes(sleeping).await;
    assert_eq!(held.id, id);

    other.pause("quiet").await.unwrap();
    other.enqueue(task(2).queue("quiet")).await.unwrap();
    let sleeping = waiting_dequeue(&queue, Dequeue::from(["default", "quiet"]));
    pause(200).await;
    other.resume("quiet").await.unwrap();
    assert_eq!(number(&wakes(sleeping).await), 2);
}

/// Each of several waiting dequeues gets a task of its own.
pub async fn c15_many_waiting_dequeues_get_a_task_each(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let sleeping: Vec<_> = (0..6).map(|_| waiting_dequeue(&queue, from("default"))).collect();
    pause(200).await;
    add(&queue, 0..6).await;
    let mut got = Vec::new();
    for waiting_dequeue in sleeping {
        got.push(number(&wakes(waiting_dequeue).await));
    }
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3, 4, 5]);
}

/// A subscription wakes for what became ready after it was made, even before the wait.
pub async fn c15_a_ring_before_the_wait_is_not_lost(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = worker(&queue, HOUR).await;
    let mut subscription = queue.subscribe(id, &["default".to_owned()]).await.unwrap();
    add(&queue, [1]).await;
    let start = Instant::now();
    subscription.wait(LONG).await;
    assert!(start.elapsed() < EARLY, "the ring was lost");
    assert_eq!(queue.claim(id, &from("default")).await.unwrap().len(), 1);
}

/// A subscription wakes at the start time of a task, so that its listener need not poll.
pub async fn c15_a_notification_is_sent_at_a_start_time(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = worker(&queue, HOUR).await;
    queue.enqueue(task(1).delay(Duration::from_millis(700))).await.unwrap();
    let mut subscription = queue.subscribe(id, &["default".to_owned()]).await.unwrap();
    let start = Instant::now();
    while queue.claim(id, &from("default")).await.unwrap().is_empty() {
        subscription.wait(LONG).await;
        assert!(start.elapsed() < EARLY, "it slept through the start time");
    }
}

/// It also wakes for a task that was postponed after the wait began (issue 12, E4).
pub async fn c15_a_notification_is_sent_for_a_task_that_is_postponed_meanwhile(fixture: &dyn QueueFixture) {
    for outcome in [
        Outcome::RetryLater { delay: Duration::from_millis(500), error: None },
        Outcome::Snooze { delay: Duration::from_millis(500) },
    ] {
        let queue = fixture.queue().await;
        let (idle, works) = (worker(&queue, HOUR).await, worker(&queue, HOUR).await);
        let id = queue.enqueue(task(1)).await.unwrap();
        let held = queue.claim(works, &from("default")).await.unwrap().remove(0);
        let mut subscription = queue.subscribe(idle, &["default".to_owned()]).await.unwrap();
        assert!(queue.claim(idle, &from("default")).await.unwrap().is_empty());
        let put_off = async {
            pause(500).await;
            queue.settle(&[Settlement::new(id, held.claim, outcome)], SettleMode::All).await.unwrap();
            Instant::now()
        };
        let claimed = async {
            let start = Instant::now();
            while queue.claim(idle, &from("default")).await.unwrap().is_empty() {
                subscription.wait(LONG).await;
                assert!(start.elapsed() < EARLY, "it slept through the time to which the task was put off");
            }
            Instant::now()
        };
        let (settled, claimed) = tokio::join!(put_off, claimed);
        assert!(claimed - settled >= Duration::from_millis(400), "not before its time");
    }
}
