//! C15: the order of dequeues.

use std::time::Duration;

use jiff::Timestamp;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// The order is by queue as given, then higher priority, then first in, first out.
pub async fn c15_order_is_queue_then_priority_then_fifo(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for (name, priority, number) in [
        ("b", 0, 4),
        ("b", i16::MAX, 3),
        ("a", 0, 1),
        ("b", 0, 5),
        ("a", -1, 2),
        ("a", 1, 0),
        ("b", i16::MIN, 6),
    ] {
        queue.enqueue(task(number).queue(name).priority(priority)).await.unwrap();
    }
    let mut order = Vec::new();
    while let Some(task) = queue.dequeue(Dequeue::from(["a", "b"])).await.unwrap() {
        order.push(number(&task));
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
}

/// One claim of many tasks returns them in the same order as single claims, however the tasks were enqueued.
pub async fn c15_many_come_in_the_same_order_as_one_by_one(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let priorities = [0, 2, 1, 2, 0, 1];
    for batch in [0..3_usize, 3..6] {
        let tasks = batch.map(|index| task(index as i64).priority(priorities[index]));
        queue.enqueue_many(tasks.collect()).await.unwrap();
    }
    let claimed = take_many(&queue, 10).await;
    assert_eq!(numbers(&claimed), [1, 3, 2, 5, 0, 4]);
    queue.release_many(&claimed).await.unwrap();
    for expected in [1, 3, 2, 5, 0, 4] {
        assert_eq!(number(&take(&queue).await), expected);
    }
}

/// The queues fill the request in turn; a queue that was not named contributes nothing.
pub async fn c15_several_queues_fill_a_request_in_turn(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for (number, name) in ["b", "other", "a", "b", "a", "b"].into_iter().enumerate() {
        queue.enqueue(task(number as i64).queue(name)).await.unwrap();
    }
    let request = Dequeue::from(["a", "empty", "b"]);
    assert_eq!(numbers(&queue.dequeue_many(request.clone().limit(3)).await.unwrap()), [2, 4, 0]);
    assert_eq!(numbers(&queue.dequeue_many(request.clone().limit(10)).await.unwrap()), [3, 5]);
    assert_eq!(queue.dequeue_many(request.limit(10)).await.unwrap(), []);
    assert_eq!(numbers(&queue.dequeue_many(from("other")).await.unwrap()), [1]);
}

/// A task that is handed back keeps its position.
pub async fn c15_a_released_task_is_first_again(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..3).await;
    queue.release(&take(&queue).await).await.unwrap();
    assert_eq!(numbers(&take_many(&queue, 3).await), [0, 1, 2]);
}

/// No task runs before its start time.
pub async fn c15_not_before_run_at(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let delayed = queue.enqueue(task(1).delay(HOUR)).await.unwrap();
    let timed = queue.enqueue(task(2).run_at(Timestamp::now() + HOUR)).await.unwrap();
    let past = queue.enqueue(task(3).run_at(Timestamp::now() - HOUR)).await.unwrap();
    assert_eq!(state(&queue, delayed).await, Some(TaskState::Scheduled));
    assert_eq!(state(&queue, timed).await, Some(TaskState::Scheduled));
    assert_eq!(state(&queue, past).await, Some(TaskState::Ready));
    assert_eq!(numbers(&take_many(&queue, 10).await), [3]);
    let task = queue.get(delayed).await.unwrap().unwrap();
    assert_near(task.run_at, task.created_at + HOUR);
}

/// A task that becomes due takes its position by priority.
pub async fn c15_due_tasks_join_in_order(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    queue.enqueue(task(1).delay(Duration::from_millis(300)).priority(5)).await.unwrap();
    let ready = queue.enqueue(task(2).delay(Duration::from_millis(1))).await.unwrap();
    queue.enqueue(task(3)).await.unwrap();
    pause(800).await;
    let claimed = take_many(&queue, 10).await;
    assert_eq!(numbers(&claimed), [1, 2, 3]);
    assert!(claimed.iter().all(|task| task.claimed_at.unwrap() >= task.run_at));
    assert_eq!(claimed[1].id, ready);
}

/// Tasks of other functions are left, and do not hold up the requested ones.
pub async fn c15_only_the_functions_asked_for(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    for (number, func) in ["a", "b", "c", "a", "b"].into_iter().enumerate() {
        queue.enqueue(NewTask::new(func, &number).unwrap()).await.unwrap();
    }
    let request = from("default").limit(10);
    assert_eq!(queue.dequeue_many(request.clone().funcs([""; 0])).await.unwrap(), []);
    assert_eq!(queue.dequeue_many(request.clone().funcs(["unknown"])).await.unwrap(), []);
    assert_eq!(numbers(&queue.dequeue_many(request.clone().funcs(["b", "c"])).await.unwrap()), [1, 2, 4]);
    assert_eq!(numbers(&queue.dequeue_many(request).await.unwrap()), [0, 3]);
}

/// Invalid requests are refused.
pub async fn c15_bad_requests_are_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, [1]).await;
    let none: [&str; 0] = [];
    for request in [
        Dequeue::from(none),
        from(""),
        from("a\0b"),
        from(&"q".repeat(129)),
        from("default").limit(0),
        from("default").limit(Dequeue::MAX + 1),
        from("default").timeout(Duration::MAX),
    ] {
        let error = queue.dequeue_many(request.clone()).await.expect_err("a bad request");
        assert!(error.is_invalid(), "{request:?}: {error:?}");
    }
    assert_eq!(numbers(&take_many(&queue, Dequeue::MAX).await), [1]);
}

/// A dequeued task is returned whole, and is held by its worker.
pub async fn c15_a_dequeued_task_is_held(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let task = take(&queue).await;
    assert_eq!((task.id, task.state, task.attempt), (id, TaskState::Running, 1));
    assert_eq!(task.claim.unwrap().number, 1);
    assert_near(task.claimed_at.unwrap(), Timestamp::now());
    assert_eq!(fixture.queue().await.get(id).await.unwrap(), Some(task));
}
