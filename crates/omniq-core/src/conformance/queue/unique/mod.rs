//! C22: unique tasks. One at a time here, then against a model (`walk`), then many at once (`at_once`).

mod at_once;
mod policies;
mod walk;

pub use at_once::*;
pub use policies::*;
pub use walk::*;

use std::sync::Arc;

use jiff::Timestamp;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// A task with this number that is unique by this key.
fn unique(number: i64, key: &str) -> NewTask {
    task(number).unique(Unique::key(key))
}

/// A task that is unique until its start.
fn until_start(number: i64, key: &str) -> NewTask {
    task(number).unique(Unique::key(key).until(Until::Start))
}

async fn enqueue(queue: &Arc<dyn TaskQueue>, task: NewTask) -> Enqueued {
    queue.enqueue_unique(task).await.unwrap()
}

/// The id of a task that was added.
fn new(enqueued: Enqueued) -> TaskId {
    assert!(enqueued.is_new(), "{enqueued:?}");
    enqueued.id()
}

/// While it waits and while it runs, a task holds its key, from every queue and function.
pub async fn c22_a_key_is_held_until_the_end(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = new(enqueue(&queue, unique(1, "k")).await);
    let other = NewTask::new("other", &9).unwrap().queue("elsewhere").unique(Unique::key("k"));
    assert_eq!(enqueue(&queue, other.clone()).await, Enqueued::Skipped(first));
    assert_eq!(queue.enqueue(other).await.unwrap(), first, "the plain verb gives the same id");
    let held = take(&queue).await;
    assert_eq!(enqueue(&queue, unique(2, "k")).await, Enqueued::Skipped(first));
    queue.retry_later(&held, HOUR, Some(boom())).await.unwrap();
    assert_eq!(enqueue(&queue, unique(3, "k")).await, Enqueued::Skipped(first), "it waits for a retry");
    queue.retry(first).await.unwrap();
    let kept = take(&queue).await;
    assert_eq!((number(&kept), kept.unique.clone()), (1, Some(Unique::key("k"))));
    queue.complete(&kept).await.unwrap();
    assert_ne!(new(enqueue(&queue, unique(4, "k")).await), first);
    assert_eq!(total(&queue).await, 1);
    fixture.check().await;
}

/// Other keys, and tasks without one, are added as ever; in one call with them, too.
pub async fn c22_other_keys_are_free(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let tasks = vec![unique(0, "a"), task(1), unique(2, "b"), task(3), unique(4, "a"), unique(5, "c")];
    let enqueued = queue.enqueue_unique_many(tasks).await.unwrap();
    let expected = [true, true, true, true, false, true];
    assert_eq!(enqueued.iter().map(|one| one.is_new()).collect::<Vec<_>>(), expected);
    assert_eq!(enqueued[4], Enqueued::Skipped(enqueued[0].id()));
    assert_eq!(numbers(&take_many(&queue, 10).await), [0, 1, 2, 3, 5], "in their order");
    let ids = queue.enqueue_many(vec![unique(6, "a"), task(7)]).await.unwrap();
    assert_eq!(ids[0], enqueued[0].id());
    fixture.check().await;
}

/// However a task ends, its key is free.
pub async fn c22_every_end_frees_the_key(fixture: &dyn QueueFixture) {
    let queue = fixture.queue_with(Limits::default(), true).await;
    for end in 0..9 {
        let short = unique(end, "k").ttl(std::time::Duration::from_millis(1)).max_retries(0);
        let id = new(enqueue(&queue, if end == 8 { short } else { unique(end, "k").max_retries(0) }).await);
        match end {
            0 => queue.complete(&take(&queue).await).await.unwrap(),
            1 => drop(queue.fail(&take(&queue).await, boom()).await.unwrap()),
            2 => queue.discard(&take(&queue).await).await.unwrap(),
            3 => {
                let held = take(&queue).await;
                queue.settle(&[settlement(&held, Outcome::Cancel)], SettleMode::All).await.unwrap();
            }
            4 => assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::Done),
            5 => queue.delete(id).await.unwrap(),
            6 => drop(queue.delete_all(&TaskFilter::default()).await.unwrap()),
            7 => drop(queue.purge(&TaskFilter::default()).await.unwrap()),
            _ => {
                pause(5).await;
                let expired = queue.expired(10).await.unwrap();
                let expire = |task: &Task| Settlement::new(task.id, None, Outcome::Expire);
                let batch: Vec<_> = expired.iter().map(expire).collect();
                assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Done]);
            }
        }
    }
    new(enqueue(&queue, unique(9, "k")).await);
    fixture.check().await;
}

/// With `until = start` the key is free once a worker has the task, and held again if it comes back and no other has taken the key.
pub async fn c22_a_key_until_the_start_is_free_during_the_run(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = new(enqueue(&queue, until_start(1, "k")).await);
    assert_eq!(enqueue(&queue, until_start(2, "k")).await, Enqueued::Skipped(first));
    let held = take(&queue).await;
    queue.retry_later(&held, HOUR, Some(boom())).await.unwrap();
    assert_eq!(enqueue(&queue, until_start(3, "k")).await, Enqueued::Skipped(first), "it waits again");
    queue.retry(first).await.unwrap();
    let held = take(&queue).await;
    let second = new(enqueue(&queue, until_start(4, "k")).await);
    queue.release(&held).await.unwrap();
    assert_eq!(enqueue(&queue, until_start(5, "k")).await, Enqueued::Skipped(second), "the later one has it");
    assert_eq!(numbers(&take_many(&queue, 10).await), [1, 4], "both run");
    new(enqueue(&queue, until_start(6, "k")).await);
    fixture.check().await;
}

/// Within its period a key is not free, whatever becomes of the task.
pub async fn c22_a_period_outlasts_the_task(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let long = |number| task(number).unique(Unique::key("long").period(HOUR));
    let first = new(enqueue(&queue, long(1)).await);
    queue.complete(&take(&queue).await).await.unwrap();
    assert_eq!(enqueue(&queue, long(2)).await, Enqueued::Skipped(first));
    let replace = Unique::key("long").on_conflict(OnConflict::Replace);
    assert_eq!(
        enqueue(&queue, task(3).unique(replace)).await,
        Enqueued::Skipped(first),
        "nothing to replace"
    );
    assert_eq!(enqueue(&queue, until_start(4, "long")).await, Enqueued::Skipped(first));
    let short =
        |number| task(number).unique(Unique::key("short").period(std::time::Duration::from_millis(300)));
    let first = new(enqueue(&queue, short(5)).await);
    queue.cancel(first).await.unwrap();
    assert_eq!(enqueue(&queue, short(6)).await, Enqueued::Skipped(first));
    pause(310).await;
    new(enqueue(&queue, short(7)).await);
    fixture.check().await;
}

/// A dead letter has lost its key, and takes it again by a retry, unless another task has it.
pub async fn c22_a_retried_dead_letter_takes_its_key_again(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let dies = |number| unique(number, "k").max_retries(0);
    let mut dead = Vec::new();
    for number in 0..2 {
        dead.push(new(enqueue(&queue, dies(number)).await));
        assert_eq!(queue.fail(&take(&queue).await, boom()).await.unwrap(), TaskState::Dead);
    }
    let both = queue.retry_many(&dead).await.unwrap_err();
    assert!(both.is_conflict() && both.message().contains("\"k\""), "{both}");
    let holder = new(enqueue(&queue, unique(2, "k")).await);
    let error = queue.retry(dead[0]).await.unwrap_err();
    let said = [dead[0].to_string(), holder.to_string(), "\"k\"".to_owned()];
    assert!(error.is_conflict() && said.iter().all(|word| error.message().contains(word)), "{error}");
    let others = add(&queue, [7]).await;
    let mixed = [others[0], dead[1]];
    assert!(queue.retry_many(&mixed).await.unwrap_err().is_conflict());
    assert_eq!(queue.retry_all(&TaskFilter::default()).await.unwrap(), 0, "both are left out");
    assert_eq!(state(&queue, dead[0]).await, Some(TaskState::Dead));
    queue.cancel(holder).await.unwrap();
    queue.retry(dead[1]).await.unwrap();
    assert_eq!(enqueue(&queue, unique(3, "k")).await, Enqueued::Skipped(dead[1]));
    assert_eq!(queue.fail(&take(&queue).await, boom()).await.unwrap(), TaskState::Dead);
    assert_eq!(queue.retry_all(&TaskFilter::default()).await.unwrap(), 1, "one of both");
    let holder = enqueue(&queue, unique(4, "k")).await;
    assert!(dead.contains(&holder.id()) && !holder.is_new(), "{holder:?}");
    fixture.check().await;
}

/// A task that has expired holds no key, and cannot be revived while another one does.
pub async fn c22_an_expired_task_has_lost_its_key(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let short = |number| unique(number, "k").ttl(std::time::Duration::from_millis(1));
    let first = new(enqueue(&queue, short(1)).await);
    pause(5).await;
    let second = new(enqueue(&queue, unique(2, "k")).await);
    let later = TaskUpdate { run_at: Some(Timestamp::now() + HOUR), ..TaskUpdate::default() };
    let error = queue.update(first, later.clone()).await.unwrap_err();
    assert!(error.is_conflict() && error.message().contains("\"k\""), "{error}");
    queue.cancel(second).await.unwrap();
    assert_eq!(queue.update(first, later).await.unwrap().id, first);
    assert_eq!(enqueue(&queue, unique(3, "k")).await, Enqueued::Skipped(first));
    fixture.check().await;
}

/// What is refused leaves nothing, and neither does a call in which one task is.
pub async fn c22_bad_keys_are_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for bad in [unique(1, ""), unique(1, &"k".repeat(501)), unique(1, "a\0b")] {
        let error = queue.enqueue_unique_many(vec![unique(0, "good"), bad]).await.unwrap_err();
        assert!(error.is_invalid(), "{error}");
    }
    let longest = "ü".repeat(250);
    let id = new(enqueue(&queue, unique(2, &longest)).await);
    assert_eq!(enqueue(&queue, unique(3, &longest)).await, Enqueued::Skipped(id));
    for odd in ["it's \"quoted\"\n", "01a225e5-fa21-71b3-882e-7e3108f30000", "Straße", "STRASSE"] {
        let id = new(enqueue(&queue, unique(4, odd)).await);
        assert_eq!(enqueue(&queue, unique(5, odd)).await, Enqueued::Skipped(id), "{odd}");
        let error = task(6).unique(Unique::key(odd).on_conflict(OnConflict::Error));
        let error = queue.enqueue(error).await.unwrap_err();
        assert!(error.is_duplicate() && error.message().contains(&format!("{odd:?}")), "{error}");
        assert!(error.message().contains(&id.to_string()), "{error}");
    }
    let by_args = |args: &str| NewTask::new("f", args).unwrap().unique(Unique::args());
    let id = new(enqueue(&queue, by_args("x")).await);
    assert_eq!(enqueue(&queue, by_args("x")).await, Enqueued::Skipped(id));
    new(enqueue(&queue, by_args("y")).await);
    // An id that is in use counts only where the task would be added.
    assert_eq!(enqueue(&queue, by_args("x").id(id)).await, Enqueued::Skipped(id));
    let error = queue.enqueue(unique(7, "fresh").id(id)).await.unwrap_err();
    assert!(error.is_duplicate(), "{error}");
    new(enqueue(&queue, unique(8, "fresh")).await);
    fixture.check().await;
}
