//! C18: cancel, delete and purge.

use std::time::Duration;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// A waiting task is cancelled at once.
pub async fn c18_cancel_withdraws_a_waiting_task(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ready = add(&queue, [1]).await[0];
    let scheduled = queue.enqueue(task(2).delay(HOUR)).await.unwrap();
    for id in [ready, scheduled] {
        assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::Done);
        assert_eq!(state(&queue, id).await, None);
        assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::NotFound);
    }
    assert!(is_empty(&queue).await);
}

/// A running task is asked to stop: only its own worker learns of it, by the next heartbeat.
pub async fn c18_cancel_asks_a_running_task_to_stop(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    add(&queue, 0..3).await;
    let (mine, theirs) = (worker(&queue, HOUR).await, worker(&queue, HOUR).await);
    let held = queue.claim(mine, &from("default").limit(2)).await.unwrap();
    queue.claim(theirs, &from("default")).await.unwrap();
    assert_eq!(other.cancel(held[0].id).await.unwrap(), Cancelled::Requested);
    assert_eq!(other.cancel(held[0].id).await.unwrap(), Cancelled::Requested);
    assert_eq!(state(&queue, held[0].id).await, Some(TaskState::Running));

    let mut heartbeats = queue.heartbeat_connection();
    assert_eq!(
        heartbeats.heartbeat(theirs, None).await.unwrap(),
        Heartbeat { alive: true, cancelled: Vec::new() }
    );
    let beat = heartbeats.heartbeat(mine, None).await.unwrap();
    assert_eq!(beat, Heartbeat { alive: true, cancelled: vec![CancelRequest::of(&held[0])] });
    let again = heartbeats.heartbeat(mine, None).await.unwrap().cancelled;
    assert_eq!(again, [CancelRequest::of(&held[0])], "told until the task has left the worker");
    let stopped = vec![settlement(&held[0], Outcome::Cancel)];
    assert_eq!(queue.settle(&stopped, SettleMode::Each).await.unwrap(), [Settled::Done]);
    assert_eq!(state(&queue, held[0].id).await, None);
    // The task may have left before the worker was told of its cancel, and an answer may be lost.
    for _ in 0..2 {
        heartbeats.heartbeat(mine, None).await.unwrap();
    }
    assert_eq!(heartbeats.heartbeat(mine, None).await.unwrap().cancelled, []);
}

/// The worker is told also if it has handed the task back before its heartbeat.
pub async fn c18_a_worker_is_told_of_the_cancel_of_a_task_that_it_has_handed_back(
    fixture: &dyn QueueFixture,
) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..3).await;
    let mine = worker(&queue, HOUR).await;
    let held = queue.claim(mine, &from("default").limit(3)).await.unwrap();
    assert_eq!(queue.cancel_many(&ids[..2]).await.unwrap(), [Cancelled::Requested; 2]);
    let back = [settlement(&held[0], Outcome::Release)];
    assert_eq!(queue.settle(&back, SettleMode::Each).await.unwrap(), [Settled::Done]);
    let mut heartbeats = queue.heartbeat_connection();
    let mut told = heartbeats.heartbeat(mine, None).await.unwrap().cancelled;
    told.sort();
    let asked = |id: TaskId| CancelRequest::of(held.iter().find(|task| task.id == id).unwrap());
    assert_eq!(told, [asked(ids[0]), asked(ids[1])]);
    // What it does not hold may come once more.
    heartbeats.heartbeat(mine, None).await.unwrap();
    let told = heartbeats.heartbeat(mine, None).await.unwrap().cancelled;
    assert_eq!(told, [asked(ids[1])], "it holds this one");
}

/// A task that is enqueued anew with the id of a cancelled one is another task, also for a worker that was told of the cancel.
pub async fn c18_a_cancel_does_not_outlive_its_task(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let mine = worker(&queue, HOUR).await;
    let first = queue.claim(mine, &from("default")).await.unwrap().pop().unwrap();
    assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::Requested);
    let mut heartbeats = queue.heartbeat_connection();
    assert_eq!(heartbeats.heartbeat(mine, None).await.unwrap().cancelled, [CancelRequest::of(&first)]);
    let stopped = [settlement(&first, Outcome::Cancel)];
    assert_eq!(queue.settle(&stopped, SettleMode::Each).await.unwrap(), [Settled::Done]);

    queue.enqueue(task(2).id(id)).await.unwrap();
    let second = queue.claim(mine, &from("default")).await.unwrap().pop().unwrap();
    let second = CancelRequest::of(&second);
    assert!(second.task_id == id && second.seq != first.seq);
    let told = heartbeats.heartbeat(mine, None).await.unwrap().cancelled;
    assert!(!told.contains(&second), "{told:?}");
    // Its own cancel is told.
    assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::Requested);
    assert!(heartbeats.heartbeat(mine, None).await.unwrap().cancelled.contains(&second));
}

/// What the lost worker was asked to stop is known to those who take its tasks back.
pub async fn c18_a_cancel_outlives_its_worker(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..3).await;
    let gone = worker(&queue, Duration::from_millis(100)).await;
    assert_eq!(queue.claim(gone, &from("default").limit(3)).await.unwrap().len(), 3);
    assert_eq!(queue.cancel(ids[1]).await.unwrap(), Cancelled::Requested);
    queue.heartbeat_connection().heartbeat(gone, None).await.unwrap();
    let mut lost: Vec<_> =
        lost(&queue).await.into_iter().map(|lost| (lost.task.id, lost.cancelled)).collect();
    lost.sort();
    assert_eq!(lost, [(ids[0], false), (ids[1], true), (ids[2], false)]);
}

/// Found by a hostile reader: a cancel between the search for lost tasks and their rescue was answered, and the task ran again.
pub async fn c18_a_cancel_beside_a_rescue_counts(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..3).await;
    let gone = worker(&queue, Duration::from_millis(100)).await;
    let held = queue.claim(gone, &from("default").limit(3)).await.unwrap();
    let found = lost(&queue).await;
    assert!(found.len() == 3 && found.iter().all(|one| !one.cancelled));
    // Its worker hears of nothing any more.
    assert_eq!(queue.stop_many(&[held[0].id]).await.unwrap(), [Cancelled::NotFound]);
    assert_eq!(queue.cancel(held[0].id).await.unwrap(), Cancelled::Done);
    let rescued = rescue(&queue, &found).await;
    let left = found.iter().zip(&rescued).filter(|(_, settled)| **settled == Settled::Done);
    assert_eq!(left.count(), 2);
    assert_eq!(state(&queue, held[0].id).await, None, "it does not run again");
    assert_eq!(state(&queue, held[1].id).await, Some(TaskState::Ready));
    assert_eq!(queue.cancel(held[0].id).await.unwrap(), Cancelled::NotFound);
}

/// Found by a hostile reader: a cancelled task that its worker had handed back ran again if the worker was lost before it was told.
pub async fn c18_a_cancel_of_a_task_that_was_handed_back_outlives_its_worker(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..3).await;
    let gone = worker(&queue, Duration::from_millis(100)).await;
    let held = queue.claim(gone, &from("default").limit(3)).await.unwrap();
    let ids: Vec<_> = held.iter().map(|task| task.id).collect();
    assert_eq!(queue.cancel_many(&ids[..2]).await.unwrap(), [Cancelled::Requested; 2]);
    let back: Vec<_> = held.iter().map(|task| settlement(task, Outcome::Release)).collect();
    assert_eq!(queue.settle(&back, SettleMode::Each).await.unwrap(), [Settled::Done; 3]);
    // One of them runs elsewhere by the time that the worker is declared lost.
    let other = worker(&queue, HOUR).await;
    let first = queue.claim(other, &from("default")).await.unwrap().pop().unwrap();
    assert_eq!(first.id, ids[0]);
    let found = lost(&queue).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].task.id, found[0].task.claim, found[0].cancelled), (ids[1], None, true));
    let cancel = [settlement(&found[0].task, Outcome::Cancel)];
    assert_eq!(queue.settle(&cancel, SettleMode::Each).await.unwrap(), [Settled::Done]);
    let told = queue.heartbeat_connection().heartbeat(other, None).await.unwrap().cancelled;
    assert_eq!(told, [CancelRequest::of(&first)]);
    assert_eq!(queue.lost(10).await.unwrap(), []);
    assert_eq!(state(&queue, ids[2]).await, Some(TaskState::Ready));
    assert_eq!(queue.workers().await.unwrap().len(), 1, "the lost one is forgotten");
}

/// Found by a hostile reader: a cancelled task that its worker gave back as it left ran again.
pub async fn c18_a_worker_that_leaves_hands_back_no_cancelled_task(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    let ids = add(&queue, 0..3).await;
    let mine = worker(&queue, HOUR).await;
    let held = queue.claim(mine, &from("default").limit(3)).await.unwrap();
    assert_eq!(other.cancel_many(&ids[..2]).await.unwrap(), [Cancelled::Requested; 2]);
    let back = held.iter().filter(|task| task.id == ids[0]).map(|task| settlement(task, Outcome::Release));
    queue.settle(&back.collect::<Vec<_>>(), SettleMode::Each).await.unwrap();
    queue.deregister_worker(mine).await.unwrap();
    for (id, left) in [(ids[0], None), (ids[1], None), (ids[2], Some(TaskState::Ready))] {
        assert_eq!(state(&queue, id).await, left);
    }
}

/// The heartbeat in the background reports the request to stop.
pub async fn c18_a_lease_hands_on_the_wish_to_stop(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let mut info = WorkerInfo::new(["default"]);
    info.lease = Duration::from_secs(3);
    let lease = queue.start_lease(&info).await.unwrap();
    let mut signal = lease.cancel_signal();
    queue.claim(lease.worker(), &from("default")).await.unwrap();
    queue.cancel(id).await.unwrap();
    signal.changed().await.unwrap();
    let asked: Vec<_> = lease.take_cancelled().into_iter().map(|asked| asked.task_id).collect();
    assert_eq!(asked, [id]);
}

/// A run that completes in spite of a cancel counts.
pub async fn c18_a_finish_after_a_cancel_counts(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let held = take(&queue).await;
    assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::Requested);
    queue.complete(&held).await.unwrap();
    assert_eq!(state(&queue, id).await, None);
}

/// A cancel does not change a dead letter, because it is not waiting.
pub async fn c18_cancel_leaves_dead_letters(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).max_retries(0)).await.unwrap();
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::NotFound);
    assert_eq!(state(&queue, id).await, Some(TaskState::Dead));
}

/// Several tasks in one call: one answer for each.
pub async fn c20_cancel_many_answers_for_each(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..3).await;
    take(&queue).await;
    let answers = queue.cancel_many(&[ids[2], TaskId::new(), ids[0], ids[1]]).await.unwrap();
    use Cancelled::{Done, NotFound, Requested};
    assert_eq!(answers, [Done, NotFound, Requested, Done]);
    assert_eq!(queue.cancel_many(&[]).await.unwrap(), []);
    assert_eq!(total(&queue).await, 1);
}

/// A task that no worker holds can be deleted.
pub async fn c18_delete_removes_what_is_not_running(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let dead = queue.enqueue(task(0).max_retries(0)).await.unwrap();
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    let running = add(&queue, [1]).await[0];
    let held = take(&queue).await;
    let ready = add(&queue, [2]).await[0];
    let scheduled = queue.enqueue(task(3).delay(HOUR)).await.unwrap();
    for id in [dead, ready, scheduled] {
        queue.delete(id).await.unwrap();
        assert!(queue.delete(id).await.unwrap_err().is_not_found());
    }
    let error = queue.delete(running).await.unwrap_err();
    assert!(error.is_conflict() && error.message().contains("running"), "{error:?}");
    queue.complete(&held).await.unwrap();
    assert_eq!(total(&queue).await, 0);
}

/// A purge removes all tasks that the filter selects, in any number, except running ones.
pub async fn c18_purge_leaves_running_tasks(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let running = add(&queue, [0]).await[0];
    let held = take(&queue).await;
    add(&queue, 1..150).await;
    queue.enqueue(task(150).queue("other")).await.unwrap();
    queue.enqueue(task(151).delay(HOUR)).await.unwrap();
    let scheduled = TaskFilter { state: Some(TaskState::Scheduled), ..TaskFilter::default() };
    assert_eq!(queue.purge(&scheduled).await.unwrap(), 1);
    let after = queue.list(&TaskFilter::default()).await.unwrap().last().map(|task| task.id);
    let page =
        TaskFilter { queue: Some("default".to_owned()), limit: Some(1), after, ..TaskFilter::default() };
    assert_eq!(queue.purge(&page).await.unwrap(), 149, "a purge knows no pages");
    assert_eq!(queue.purge(&TaskFilter::default()).await.unwrap(), 1);
    assert_eq!(state(&queue, running).await, Some(TaskState::Running));
    assert_eq!(queue.purge(&TaskFilter::default()).await.unwrap(), 0);
    queue.complete(&held).await.unwrap();
}

/// Ended tasks are removed once their retention is over, in bounded steps. Waiting tasks stay, and an object without a
/// retention removes nothing.
pub async fn c18_prune_removes_what_ended_long_ago(fixture: &dyn QueueFixture) {
    let stay = Duration::from_millis(700);
    let queue = fixture.pruning_queue(stay).await;
    add(&queue, 0..10).await;
    let held = queue.dequeue_many(from("default").limit(8)).await.unwrap();
    queue.complete_many(&held[..4]).await.unwrap();
    let fatal: Vec<_> = held[4..]
        .iter()
        .map(|task| settlement(task, Outcome::Fail { error: TaskError::new("E", "e") }))
        .collect();
    queue.settle(&fatal, SettleMode::All).await.unwrap();
    // A retried dead letter is not dead any more.
    queue.retry(held[7].id).await.unwrap();
    assert_eq!(queue.prune(100).await.unwrap(), 0, "too early");
    pause(900).await;
    assert_eq!(fixture.queue_with(Limits::default(), true).await.prune(100).await.unwrap(), 0);
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(queue.prune(1).await.unwrap());
    }
    assert_eq!(removed.iter().sum::<u64>(), 7);
    assert!(removed.len() > 2, "not all at once: {removed:?}");
    let left = queue.list(&TaskFilter::default()).await.unwrap();
    assert!(left.len() == 3 && left.iter().all(|task| task.state == TaskState::Ready), "{left:?}");
}
