//! C22: tasks that run after others. One at a time here, then random graphs against a model (`walk`), then many callers at once (`at_once`).

mod at_once;
mod ends;
mod walk;

pub use at_once::*;
pub use ends::*;
pub use walk::*;

use std::sync::Arc;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

async fn enqueue(queue: &Arc<dyn TaskQueue>, task: NewTask) -> TaskId {
    queue.enqueue(task).await.unwrap()
}

/// A task that was taken, and completed.
async fn complete(queue: &Arc<dyn TaskQueue>) -> i64 {
    let task = take(queue).await;
    queue.complete(&task).await.unwrap();
    number(&task)
}

fn end_of(broken: &Broken) -> Settlement {
    let error = TaskError::new(PREDECESSOR_FAILED, format!("{} has failed", broken.by));
    settlement(&broken.task, if broken.is_dead { Outcome::Fail { error } } else { Outcome::Cancel })
}

/// Does what the maintenance of workers does with tasks that have to end, and returns them with what they are broken by.
async fn end_broken(queue: &Arc<dyn TaskQueue>) -> Vec<(i64, TaskId, bool)> {
    let mut ended = Vec::new();
    loop {
        let broken = queue.broken(3).await.unwrap();
        let batch: Vec<Settlement> = broken.iter().map(end_of).collect();
        let settled = queue.settle(&batch, SettleMode::Each).await.unwrap();
        for (broken, settled) in broken.iter().zip(&settled) {
            if *settled == Settled::Done {
                ended.push((number(&broken.task), broken.by, broken.is_dead));
            }
        }
        if !settled.contains(&Settled::Done) {
            ended.sort_unstable();
            return ended;
        }
    }
}

/// A task is blocked until the one that it waits for has completed, wherever that is.
pub async fn c22_a_task_runs_after_another(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1)).await;
    let second = enqueue(&queue, task(2).after([first])).await;
    assert_eq!(state(&queue, second).await, Some(TaskState::Blocked));
    assert_eq!(queue.predecessors(second).await.unwrap(), [first]);
    assert!(queue.predecessors(first).await.unwrap().is_empty());
    let held = take(&queue).await;
    assert_eq!(number(&held), 1);
    assert!(is_empty(&queue).await, "the second one waits");
    queue.retry_later(&held, std::time::Duration::ZERO, None).await.unwrap();
    assert_eq!(state(&queue, second).await, Some(TaskState::Blocked), "a retry is no end");
    assert_eq!(complete(&queue).await, 1);
    assert_eq!(state(&queue, second).await, Some(TaskState::Ready));
    assert_eq!(complete(&queue).await, 2);
    assert_eq!(total(&queue).await, 0);
    fixture.check().await;
}

/// In one call, in any order: from one to many, and from many to one.
pub async fn c22_a_fan_out_is_followed_by_a_fan_in(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let mut first = task(0);
    let mut middle: Vec<NewTask> = (1..=20).map(|number| task(number).after([first.own_id()])).collect();
    let last = task(99).after(middle.iter_mut().map(NewTask::own_id)).priority(5);
    let order: Vec<TaskId> = middle.iter_mut().map(NewTask::own_id).collect();
    let all: Vec<NewTask> = std::iter::once(last).chain(middle).chain([first]).collect();
    let ids = queue.enqueue_many(all).await.unwrap();
    assert_eq!(queue.predecessors(ids[0]).await.unwrap(), order);
    let stats = &queue.queues().await.unwrap()[0];
    assert_eq!((stats.blocked, stats.ready), (21, 1));
    assert_eq!(complete(&queue).await, 0);
    let middle = take_many(&queue, 30).await;
    assert_eq!(numbers(&middle), (1..=20).collect::<Vec<_>>(), "in their order");
    queue.complete_many(&middle[1..]).await.unwrap();
    assert!(is_empty(&queue).await);
    queue.complete(&middle[0]).await.unwrap();
    assert_eq!(complete(&queue).await, 99);
    fixture.check().await;
}

/// A task can run after those that have ended, also if they were tasks among others, and are gone.
pub async fn c22_a_task_can_run_after_what_has_ended_meanwhile(fixture: &dyn QueueFixture) {
    let queue = fixture.queue_with(Limits::default(), true).await;
    let ids = add(&queue, 0..5).await;
    let held = take_many(&queue, 5).await;
    queue.complete(&held[2]).await.unwrap();
    let late = enqueue(&queue, task(10).after([ids[2], ids[3]])).await;
    assert_eq!(state(&queue, late).await, Some(TaskState::Blocked));
    queue.complete(&held[3]).await.unwrap();
    assert_eq!(state(&queue, late).await, Some(TaskState::Ready));
    let at_once = enqueue(&queue, task(11).after([ids[2], ids[3]])).await;
    assert_eq!(state(&queue, at_once).await, Some(TaskState::Ready));
    // One that has waited is known, too.
    assert_eq!(complete(&queue).await, 10);
    assert_eq!(state(&queue, enqueue(&queue, task(12).after([late])).await).await, Some(TaskState::Ready));
    fixture.check().await;
}

/// What a blocked task waits for, and where it stands, other verbs respect.
pub async fn c22_verbs_on_blocked_tasks(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1)).await;
    let after = |number| task(number).after([first]);
    let blocked = queue.enqueue_many((2..8).map(after).collect()).await.unwrap();
    assert!(queue.retry(blocked[0]).await.unwrap_err().is_conflict());
    let change = TaskUpdate { priority: Some(7), queue: Some("other".to_owned()), ..TaskUpdate::default() };
    assert_eq!(queue.update(blocked[1], change).await.unwrap().state, TaskState::Blocked);
    let later = TaskUpdate { run_at: Some(jiff::Timestamp::now() + HOUR), ..TaskUpdate::default() };
    assert_eq!(queue.update(blocked[2], later).await.unwrap().state, TaskState::Blocked);
    assert_eq!(queue.cancel(blocked[3]).await.unwrap(), Cancelled::Done);
    queue.delete(blocked[4]).await.unwrap();
    let is_blocked = TaskFilter { state: Some(TaskState::Blocked), ..TaskFilter::default() };
    assert_eq!(queue.count(&is_blocked).await.unwrap(), 4);
    assert_eq!(queue.list(&is_blocked).await.unwrap().len(), 4);
    queue.complete(&take(&queue).await).await.unwrap();
    assert_eq!(queue.count(&is_blocked).await.unwrap(), 0);
    assert_eq!(state(&queue, blocked[2]).await, Some(TaskState::Scheduled));
    let other = queue.dequeue(from("other")).await.unwrap().unwrap();
    assert_eq!((number(&other), other.priority), (3, 7));
    assert_eq!(numbers(&take_many(&queue, 9).await), [2, 7]);
    fixture.check().await;
    let second = enqueue(&queue, task(20)).await;
    enqueue(&queue, task(21).after([second])).await;
    assert_eq!(queue.purge(&is_blocked).await.unwrap(), 1);
    enqueue(&queue, task(22).after([second])).await;
    assert_eq!(queue.delete_all(&is_blocked).await.unwrap(), 1);
    enqueue(&queue, task(23).after([second])).await;
    assert_eq!(queue.cancel_all(&is_blocked).await.unwrap().done, 1);
    fixture.check().await;
}

/// The time to live of a blocked task counts from when it is unblocked, and so does nothing before.
pub async fn c22_a_blocked_task_does_not_expire(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1)).await;
    let ttl = std::time::Duration::from_millis(300);
    let second = enqueue(&queue, task(2).after([first]).ttl(ttl)).await;
    pause(400).await;
    assert!(queue.expired(10).await.unwrap().is_empty());
    let before = jiff::Timestamp::now();
    complete(&queue).await;
    let unblocked = queue.get(second).await.unwrap().unwrap();
    assert_eq!(unblocked.state, TaskState::Ready);
    assert!(unblocked.expires_at.unwrap() > before, "{unblocked:?}");
    pause(400).await;
    assert_eq!(queue.expired(10).await.unwrap().len(), 1);
    fixture.check().await;
}

/// What cannot be waited for is refused, and nothing is written.
pub async fn c22_what_cannot_be_waited_for_is_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let unknown = TaskId::new();
    let error = queue.enqueue(task(1).after([unknown])).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains(&unknown.to_string()), "{error}");
    let (mut a, mut b) = (task(1), task(2));
    let (first, second) = (a.own_id(), b.own_id());
    let error = queue.enqueue_many(vec![a.after([second]), b.after([first])]).await.unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains(&first.to_string()), "{error}");
    let none = queue.enqueue(task(1).after([])).await.unwrap_err();
    assert!(none.is_invalid(), "{none}");
    let there = enqueue(&queue, task(3)).await;
    let both = vec![task(4).after([there]), task(5).unique(Unique::key("k"))];
    assert!(queue.enqueue_many(both).await.unwrap_err().is_invalid());
    assert_eq!(total(&queue).await, 1);
    fixture.check().await;
}
