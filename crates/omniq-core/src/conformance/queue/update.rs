//! C18: update.

use jiff::Timestamp;
use serde_json::{Map, json};

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// Only the named fields change; the answer is the task as it is now.
pub async fn c18_update_changes_what_is_named(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).priority(3).metadata("a", 1)).await.unwrap();
    let before = queue.get(id).await.unwrap().unwrap();
    assert_eq!(queue.update(id, TaskUpdate::default()).await.unwrap(), before);

    let run_at = micros(Timestamp::now() + HOUR);
    let metadata: Map<_, _> = [("b".to_owned(), json!([null, 2]))].into_iter().collect();
    let change = TaskUpdate {
        queue: Some("other".to_owned()),
        priority: Some(-3),
        run_at: Some(run_at),
        payload: Some(Payload::msgpack("new").unwrap()),
        max_retries: Some(8),
        metadata: Some(metadata.clone()),
    };
    let after = queue.update(id, change).await.unwrap();
    assert_eq!((after.queue.as_str(), after.priority, after.max_retries), ("other", -3, 8));
    assert_eq!((after.run_at, after.state), (run_at, TaskState::Scheduled));
    assert_eq!((after.payload.decode::<String>().unwrap(), &after.metadata), ("new".to_owned(), &metadata));
    assert_eq!((after.id, after.seq, &after.func), (before.id, before.seq, &before.func));
    assert_eq!(queue.get(id).await.unwrap(), Some(after));

    let now = TaskUpdate { run_at: Some(Timestamp::now() - HOUR), ..TaskUpdate::default() };
    assert_eq!(queue.update(id, now).await.unwrap().state, TaskState::Ready);
    assert!(is_empty(&queue).await);
    assert_eq!(queue.dequeue(from("other")).await.unwrap().unwrap().id, id);
}

/// A new priority changes the order, for one task of a batch alone.
pub async fn c18_update_moves_a_task_in_the_order(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..5).await;
    let up = TaskUpdate { priority: Some(1), ..TaskUpdate::default() };
    queue.update(ids[3], up).await.unwrap();
    let other = TaskUpdate { queue: Some("other".to_owned()), ..TaskUpdate::default() };
    queue.update(ids[1], other).await.unwrap();
    assert_eq!(numbers(&take_many(&queue, 10).await), [3, 0, 2, 4]);
    assert_eq!(numbers(&queue.dequeue_many(from("other").limit(10)).await.unwrap()), [1]);
}

/// Neither a running task nor a dead letter can be updated; the error names the state.
pub async fn c18_update_of_a_running_or_ended_task_is_a_conflict(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).max_retries(0)).await.unwrap();
    let held = take(&queue).await;
    let change = TaskUpdate { priority: Some(9), ..TaskUpdate::default() };
    let running = queue.update(id, change.clone()).await.unwrap_err();
    assert!(running.is_conflict() && running.message().contains("is running and cannot"), "{running:?}");
    assert_eq!(queue.get(id).await.unwrap().as_ref(), Some(&held));
    queue.fail(&held, boom()).await.unwrap();
    let dead = queue.update(id, change.clone()).await.unwrap_err();
    assert!(dead.is_conflict() && dead.message().contains("is dead and cannot be changed"), "{dead:?}");
    assert!(queue.update(TaskId::new(), change).await.unwrap_err().is_not_found());
}

/// Bad values are refused, and nothing changes.
pub async fn c18_bad_updates_are_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let before = queue.get(id).await.unwrap();
    let nul: Map<_, _> = [("a".to_owned(), json!("\0"))].into_iter().collect();
    for bad in [
        TaskUpdate { queue: Some(String::new()), ..TaskUpdate::default() },
        TaskUpdate { queue: Some("a\0b".to_owned()), ..TaskUpdate::default() },
        TaskUpdate { max_retries: Some(u32::MAX), ..TaskUpdate::default() },
        TaskUpdate { metadata: Some(nul), priority: Some(4), ..TaskUpdate::default() },
    ] {
        let error = queue.update(id, bad).await.unwrap_err();
        assert!(error.is_invalid(), "{error:?}");
    }
    let unknown = Payload::new(Codec::Custom("yaml".to_owned()), "1");
    let bad = TaskUpdate { payload: Some(unknown), ..TaskUpdate::default() };
    assert!(queue.update(id, bad).await.unwrap_err().is_codec());
    assert_eq!(queue.get(id).await.unwrap(), before);
}
