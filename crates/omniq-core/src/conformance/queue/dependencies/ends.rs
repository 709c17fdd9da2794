//! What becomes of tasks if one that they wait for does not complete.

use super::*;

/// After a dead letter a task is a dead letter as well; after a task that is gone it is cancelled; so is what waits for it.
pub async fn c22_a_task_shares_the_fate_of_its_predecessor(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let dies = enqueue(&queue, task(1).max_retries(0)).await;
    let goes = enqueue(&queue, task(2)).await;
    let with_it = enqueue(&queue, task(3).after([dies])).await;
    let further = enqueue(&queue, task(4).after([with_it])).await;
    let cancelled = enqueue(&queue, task(5).after([goes])).await;
    let further_cancelled = enqueue(&queue, task(6).after([cancelled])).await;
    let runs = enqueue(&queue, task(7).after([dies, goes, with_it]).if_failed(IfFailed::Run)).await;
    assert!(queue.broken(10).await.unwrap().is_empty());
    let held = take(&queue).await;
    queue.fail(&held, boom()).await.unwrap();
    assert_eq!(queue.cancel(goes).await.unwrap(), Cancelled::Done);
    assert!(queue.has_broken() || !queue.broken(10).await.unwrap().is_empty());
    let expected = [(3, dies, true), (4, with_it, true), (5, goes, false), (6, cancelled, false)];
    assert_eq!(end_broken(&queue).await, expected);
    for id in [with_it, further] {
        let task = queue.get(id).await.unwrap().unwrap();
        assert_eq!((task.state, task.error.unwrap().kind.as_str()), (TaskState::Dead, PREDECESSOR_FAILED));
    }
    assert_eq!((state(&queue, cancelled).await, state(&queue, further_cancelled).await), (None, None));
    assert_eq!(state(&queue, runs).await, Some(TaskState::Ready), "it runs after any end");
    assert!(queue.broken(10).await.unwrap().is_empty());
    fixture.check().await;
}

/// A dead letter that is retried waits again for what has not completed, and what waits for it goes on.
pub async fn c22_a_retry_goes_on_where_it_failed(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1).max_retries(0)).await;
    let second = enqueue(&queue, task(2).after([first])).await;
    let third = enqueue(&queue, task(3).after([second])).await;
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    assert_eq!(end_broken(&queue).await.len(), 2);
    queue.retry_many(&[third, second]).await.unwrap();
    let states = [state(&queue, second).await, state(&queue, third).await];
    assert_eq!(states, [Some(TaskState::Blocked); 2], "the first one has not completed");
    assert!(end_broken(&queue).await.is_empty(), "it can still be retried");
    assert_eq!(queue.retry_all(&TaskFilter::default()).await.unwrap(), 1);
    for number in 1..=3 {
        assert_eq!(complete(&queue).await, number);
    }
    // Now one whose predecessors have all completed.
    let mut first = task(4);
    let second = task(5).after([first.own_id()]).max_retries(0);
    let ids = queue.enqueue_many(vec![first, second]).await.unwrap();
    assert_eq!(complete(&queue).await, 4);
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    queue.retry(ids[1]).await.unwrap();
    assert_eq!(state(&queue, ids[1]).await, Some(TaskState::Ready));
    assert_eq!(complete(&queue).await, 5);
    fixture.check().await;
}

/// If a dead letter is removed, what was to wait for its retry is cancelled.
pub async fn c22_a_removed_dead_letter_is_gone(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1).max_retries(0)).await;
    let second = enqueue(&queue, task(2).after([first])).await;
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    end_broken(&queue).await;
    queue.retry(second).await.unwrap();
    assert_eq!(state(&queue, second).await, Some(TaskState::Blocked));
    queue.delete(first).await.unwrap();
    assert_eq!(end_broken(&queue).await, [(2, first, false)]);
    assert_eq!(total(&queue).await, 0);
    fixture.check().await;
}

/// A task that runs after a dead letter shares its fate at once, or runs.
pub async fn c22_a_dead_letter_breaks_what_comes_later(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1).max_retries(0)).await;
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    enqueue(&queue, task(2).after([first])).await;
    enqueue(&queue, task(3).after([first]).if_failed(IfFailed::Run)).await;
    assert_eq!(end_broken(&queue).await, [(2, first, true)]);
    assert_eq!(complete(&queue).await, 3);
    fixture.check().await;
}

/// A task with an id that one had before is another one: what waits for the id waits for it, and what the earlier one has waited for does not concern
/// it.
pub async fn c22_an_id_that_is_used_again_is_another_task(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let first = enqueue(&queue, task(1)).await;
    let other = enqueue(&queue, task(2)).await;
    let both = enqueue(&queue, task(10).queue("after").after([first, other])).await;
    for number in [1, 3, 4] {
        // The first one, and two more lives of its id.
        if number > 1 {
            queue.enqueue(task(number).id(first).priority(1)).await.unwrap();
        }
        let held = take(&queue).await;
        assert_eq!(self::number(&held), number);
        queue.complete(&held).await.unwrap();
        assert_eq!(state(&queue, both).await, Some(TaskState::Blocked), "the other one has not run");
    }
    queue.enqueue(task(5).id(first).priority(1)).await.unwrap();
    let later = enqueue(&queue, task(11).queue("after").after([first])).await;
    assert_eq!(state(&queue, later).await, Some(TaskState::Blocked));
    for number in [5, 2] {
        assert_eq!(complete(&queue).await, number);
    }
    assert_eq!([state(&queue, later).await, state(&queue, both).await], [Some(TaskState::Ready); 2]);
    fixture.check().await;
}

/// A retry of one leaves the others with the same predecessors as they are.
pub async fn c22_a_retry_leaves_those_beside_it(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let before = enqueue(&queue, task(1).max_retries(0)).await;
    let both = queue.enqueue_many((2..4).map(|number| task(number).after([before])).collect()).await.unwrap();
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    let broken = queue.broken(10).await.unwrap();
    let first = broken.iter().find(|broken| broken.task.id == both[0]).unwrap();
    assert_eq!(queue.settle(&[end_of(first)], SettleMode::Each).await.unwrap(), [Settled::Done]);
    queue.retry(both[0]).await.unwrap();
    assert_eq!(end_broken(&queue).await, [(3, before, true)]);
    assert_eq!(state(&queue, both[0]).await, Some(TaskState::Blocked));
    queue.retry(before).await.unwrap();
    complete(&queue).await;
    assert_eq!(complete(&queue).await, 2);
    assert_eq!(state(&queue, both[1]).await, Some(TaskState::Dead));
    fixture.check().await;
}
