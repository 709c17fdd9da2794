//! C14: enqueue returns an id, the task is there, and no id is used twice.

use jiff::Timestamp;
use serde_json::json;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// The queue keeps every option of a task, read through another object.
pub async fn c14_enqueue_keeps_every_option(fixture: &dyn QueueFixture) {
    let (queue, witness) = (fixture.queue().await, fixture.queue().await);
    let id = TaskId::new();
    let run_at = micros(Timestamp::now() + HOUR);
    let backoff = Backoff { initial: HOUR / 60, factor: 1.5, max: HOUR, jitter: 0.25, ..Backoff::default() };
    let mut new = NewTask::new("send_mail", &("ann", 3)).unwrap();
    new = new.id(id).queue("mail").priority(-7).run_at(run_at).ttl(HOUR).max_retries(9);
    new = new.backoff(backoff.clone()).timeout(HOUR / 3600 / 4);
    new = new.metadata("note", json!({"deep": [1, 2.5, null, "ü🦀", i64::MIN]})).metadata("empty", "");
    assert_eq!(queue.enqueue(new.clone()).await.unwrap(), id);

    let task = witness.get(id).await.unwrap().expect("it was enqueued");
    assert_eq!((task.id, task.state), (id, TaskState::Scheduled));
    assert_eq!((task.queue.as_str(), task.func.as_str()), ("mail", "send_mail"));
    assert_eq!((task.payload, task.metadata), (new.payload, new.metadata));
    assert_eq!((task.priority, task.max_retries, task.attempt), (-7, 9, 0));
    assert_eq!((task.run_at, task.expires_at), (run_at, Some(run_at + HOUR)));
    assert_eq!((task.backoff, task.timeout), (backoff, new.timeout));
    assert_eq!((task.error, task.claim, task.claimed_at), (None, None, None));
    assert_near(task.created_at, Timestamp::now());
}

/// Only function and arguments are required.
pub async fn c14_defaults_are_kept(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1)).await.unwrap();
    let task = queue.get(id).await.unwrap().unwrap();
    assert_eq!((task.queue.as_str(), task.state), ("default", TaskState::Ready));
    assert_eq!((task.priority, task.max_retries, task.attempt), (0, 3, 0));
    assert_eq!((task.backoff, task.timeout), (Backoff::default(), None));
    assert_eq!((task.expires_at, task.metadata.len()), (None, 0));
    assert_near(task.run_at, task.created_at);
}

/// Ids are made where none is given; the answer is in the order of the call.
pub async fn c14_ids_come_back_in_the_order_given(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let own = TaskId::from(uuid::Uuid::from_u128(7));
    let ids = queue.enqueue_many(vec![task(0), task(1).id(own), task(2)]).await.unwrap();
    assert_eq!(ids[1], own);
    for (index, id) in ids.iter().enumerate() {
        assert_eq!(number(&queue.get(*id).await.unwrap().unwrap()), index as i64);
    }
}

/// An id is refused while the queue holds it, whatever its state.
pub async fn c14_duplicate_id_is_refused_and_nothing_written(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let waiting = queue.enqueue(task(1).delay(HOUR)).await.unwrap();
    let running = add(&queue, [2]).await[0];
    take(&queue).await;
    let dead = queue.enqueue(task(3).max_retries(0)).await.unwrap();
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    for id in [waiting, running, dead] {
        let before = queue.get(id).await.unwrap();
        let error = queue.enqueue(task(9).id(id)).await.unwrap_err();
        assert!(error.is_duplicate(), "{error:?}");
        assert!(error.message().contains(&id.to_string()), "{error} should name the id");
        let error = queue.enqueue_many(vec![task(8), task(9).id(id)]).await.unwrap_err();
        assert!(error.is_duplicate(), "{error:?}");
        assert_eq!(queue.get(id).await.unwrap(), before);
    }
    assert_eq!(total(&queue).await, 3);
}

/// A duplicate id within one call is refused, too.
pub async fn c14_duplicate_id_within_a_batch_is_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = TaskId::new();
    let error = queue.enqueue_many(vec![task(1), task(2).id(id), task(3).id(id)]).await.unwrap_err();
    assert!(error.is_duplicate(), "{error:?}");
    assert_eq!(total(&queue).await, 0);
}

/// Of concurrent enqueues of the same id one succeeds, and the others get an error.
pub async fn c14_one_of_many_wins_an_id(fixture: &dyn QueueFixture) {
    let id = TaskId::new();
    let mut calls = Vec::new();
    for number in 0..8 {
        let queue = fixture.queue().await;
        calls.push(tokio::spawn(async move { queue.enqueue(task(number).id(id)).await }));
    }
    let mut won = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => {
                assert_eq!(answer, id);
                won += 1;
            }
            Err(error) => assert!(error.is_duplicate(), "{error:?}"),
        }
    }
    assert_eq!((won, total(&fixture.queue().await).await), (1, 1));
}

/// An empty batch is accepted.
pub async fn c14_empty_batch_is_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    assert_eq!(queue.enqueue_many(Vec::new()).await.unwrap(), []);
    assert_eq!(total(&queue).await, 0);
}
