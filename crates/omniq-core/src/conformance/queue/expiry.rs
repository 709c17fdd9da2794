//! C15, C22: time to live.

use std::time::Duration;

use jiff::Timestamp;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

fn expire(task: &Task) -> Settlement {
    Settlement { claim: None, ..settlement(task, Outcome::Expire) }
}

/// A task whose time to live has ended is not run; maintenance finds it and removes it.
pub async fn c22_an_expired_task_is_not_run(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let tasks = vec![
        task(0).ttl(Duration::from_millis(200)),
        task(1),
        task(2).ttl(HOUR),
        task(3).ttl(Duration::from_millis(200)),
    ];
    let ids = queue.enqueue_many(tasks).await.unwrap();
    pause(700).await;
    assert_eq!(numbers(&take_many(&queue, 10).await), [1, 2]);
    assert_eq!(queue.expired(1).await.unwrap().len(), 1);
    let mut found = queue.expired(100).await.unwrap();
    found.sort_by_key(|task| task.seq);
    assert_eq!(numbers(&found), [0, 3]);
    let answers =
        queue.settle(&found.iter().map(expire).collect::<Vec<_>>(), SettleMode::Each).await.unwrap();
    assert_eq!(answers, [Settled::Done; 2]);
    assert_eq!(queue.expired(100).await.unwrap(), []);
    assert_eq!((state(&queue, ids[0]).await, state(&queue, ids[3]).await), (None, None));
}

/// Nothing expires before its time, and no running task expires.
pub async fn c22_only_expired_waiting_tasks_expire(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = queue.enqueue_many(vec![task(0).ttl(HOUR), task(1)]).await.unwrap();
    for id in ids {
        let waiting = queue.get(id).await.unwrap().unwrap();
        let answer = queue.settle(&[expire(&waiting)], SettleMode::Each).await.unwrap();
        assert_eq!(answer, [Settled::Lost]);
        queue.delete(id).await.unwrap();
    }
    // Long enough that a slow machine still claims it in time.
    queue.enqueue(task(2).ttl(Duration::from_secs(2))).await.unwrap();
    let running = take(&queue).await;
    pause(2500).await;
    assert_eq!(queue.expired(100).await.unwrap(), []);
    for expire in [expire(&running), settlement(&running, Outcome::Expire)] {
        assert_eq!(queue.settle(&[expire], SettleMode::Each).await.unwrap(), [Settled::Lost]);
    }
    queue.complete(&running).await.unwrap();
}

/// The time to live counts from the start time, where that is later.
pub async fn c22_ttl_counts_from_the_start_time(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let day = HOUR * 24;
    for (new, span) in [
        (task(0).delay(HOUR).ttl(day), HOUR + day),
        (task(1).run_at(Timestamp::now() + HOUR).ttl(day), HOUR + day),
        (task(2).run_at(Timestamp::now() - HOUR).ttl(day), day),
    ] {
        let id = queue.enqueue(new).await.unwrap();
        let task = queue.get(id).await.unwrap().unwrap();
        assert_near(task.expires_at.unwrap(), Timestamp::now() + span);
    }
}

/// Another start time moves the expiry by the same span.
pub async fn c22_a_new_start_time_moves_the_end(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let day = HOUR * 24;
    let later = TaskUpdate { run_at: Some(Timestamp::now() + day), ..TaskUpdate::default() };
    for new in [task(0).ttl(HOUR), task(1).ttl(HOUR).delay(HOUR)] {
        let id = queue.enqueue(new).await.unwrap();
        let task = queue.update(id, later.clone()).await.unwrap();
        assert_near(task.expires_at.unwrap(), Timestamp::now() + day + HOUR);
    }
}

/// Every other verb that sets a start time moves it too: each new start has the whole span.
pub async fn c22_each_new_start_has_the_whole_ttl(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let (day, wait) = (HOUR * 24, Backoff::fixed(HOUR));
    let tasks = (0..3).map(|number| task(number).ttl(day).max_retries(1).backoff(wait.clone()));
    let ids = queue.enqueue_many(tasks.collect()).await.unwrap();
    let held = take_many(&queue, 3).await;
    queue.fail(&held[0], boom()).await.unwrap();
    queue.snooze(&held[1], HOUR).await.unwrap();
    queue.retry_later(&held[2], HOUR, None).await.unwrap();
    for id in &ids {
        let end = queue.get(*id).await.unwrap().unwrap().expires_at.unwrap();
        assert_near(end, Timestamp::now() + HOUR + day);
        queue.retry(*id).await.unwrap();
        let end = queue.get(*id).await.unwrap().unwrap().expires_at.unwrap();
        assert_near(end, Timestamp::now() + day);
    }
}

/// A dead letter does not expire, and can be retried however long ago it failed.
pub async fn c22_a_dead_letter_does_not_expire(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(0).ttl(Duration::from_secs(3)).max_retries(0)).await.unwrap();
    queue.fail(&take(&queue).await, boom()).await.unwrap();
    pause(3500).await;
    assert_eq!(queue.expired(100).await.unwrap(), []);
    let dead = queue.get(id).await.unwrap().unwrap();
    assert_eq!(queue.settle(&[expire(&dead)], SettleMode::Each).await.unwrap(), [Settled::Lost]);
    queue.retry(id).await.unwrap();
    assert_eq!(number(&take(&queue).await), 0);
}

/// A task that was only handed back keeps its expiry.
pub async fn c22_a_released_task_still_expires(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(0).ttl(Duration::from_secs(2))).await.unwrap();
    let end = queue.get(id).await.unwrap().unwrap().expires_at;
    queue.release(&take(&queue).await).await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().unwrap().expires_at, end);
    pause(2500).await;
    assert!(is_empty(&queue).await);
    assert_eq!(queue.expired(100).await.unwrap().len(), 1);
}
