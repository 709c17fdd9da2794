//! C18, C20: what settlements enqueue, and the callbacks that a task carries.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

/// A settlement that enqueues a task with this number into the queue `called`.
fn calling(task: &Task, outcome: Outcome, number: i64) -> Settlement {
    let called = NewTask::new("called", &number).unwrap().queue("called").id(TaskId::new());
    Settlement { enqueues: vec![called], ..settlement(task, outcome) }
}

async fn called(queue: &std::sync::Arc<dyn TaskQueue>) -> Vec<i64> {
    let all = TaskFilter { queue: Some("called".to_owned()), ..TaskFilter::default() };
    let mut found = numbers(&queue.list(&all).await.unwrap());
    found.sort_unstable();
    found
}

/// Each outcome of tasks of one segment: what is carried out enqueues, what is lost does not.
pub async fn c18_a_settlement_enqueues_if_it_is_carried_out(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..9).await;
    let held = take_many(&queue, 9).await;
    queue.release(&held[1]).await.unwrap();
    let delay = HOUR;
    let outcomes = [
        Outcome::Complete,
        Outcome::Complete,
        Outcome::Fail { error: boom() },
        Outcome::RetryLater { delay, error: Some(boom()) },
        Outcome::Snooze { delay },
        Outcome::Cancel,
        Outcome::Discard,
        Outcome::Complete,
    ];
    let mut batch: Vec<_> =
        (0..).zip(&held).zip(outcomes).map(|((i, task), outcome)| calling(task, outcome, i)).collect();
    // Of two by the same claim the first one counts.
    batch.push(calling(&held[7], Outcome::Complete, 100));
    // One that enqueues nothing, and one that enqueues two.
    batch.push(settlement(&held[8], Outcome::Complete));
    let second = calling(&held[0], Outcome::Complete, 10).enqueues;
    batch[0].enqueues.extend(second);
    let answers = queue.settle(&batch, SettleMode::Each).await.unwrap();
    let lost: Vec<_> = (0..answers.len()).filter(|place| answers[*place] == Settled::Lost).collect();
    assert_eq!(lost, [1, 8]);
    assert_eq!(called(&queue).await, [0, 2, 3, 4, 5, 6, 7, 10]);
    let next = queue.dequeue(from("called")).await.unwrap().unwrap();
    assert_eq!((next.func.as_str(), next.attempt), ("called", 1));
    let stats = queue.queues().await.unwrap();
    let counts = stats.iter().find(|stats| stats.name == "called").unwrap();
    assert_eq!((counts.ready, counts.running), (7, 1));
}

/// All or nothing: a lost claim enqueues nothing for the others either.
pub async fn c20_a_batch_that_is_refused_enqueues_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..2).await;
    let held = take_many(&queue, 2).await;
    queue.release(&held[1]).await.unwrap();
    let batch = [calling(&held[0], Outcome::Complete, 0), calling(&held[1], Outcome::Complete, 1)];
    assert!(queue.settle(&batch, SettleMode::All).await.unwrap_err().is_claim_lost());
    assert!(called(&queue).await.is_empty());
    queue.settle(&batch[..1], SettleMode::All).await.unwrap();
    assert_eq!(called(&queue).await, [0]);
}

/// The same settlements from eight callers at once: one of them carries each out, and enqueues.
pub async fn c18_settlements_at_the_same_time_enqueue_once(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..20).await;
    let held = take_many(&queue, 20).await;
    let outcome = |number: i64| match number % 3 {
        0 => Outcome::Complete,
        1 => Outcome::RetryLater { delay: Duration::ZERO, error: None },
        _ => Outcome::Fail { error: boom() },
    };
    let batch = || (0..).zip(&held).map(|(i, task)| calling(task, outcome(i), i)).collect::<Vec<_>>();
    let calls = (0..8).map(|_| {
        let (queue, batch) = (queue.clone(), batch());
        async move {
            let mut done = vec![false; batch.len()];
            // A row that another caller has locked is tried again.
            loop {
                let answers = queue.settle(&batch, SettleMode::Each).await.unwrap();
                for (done, answer) in done.iter_mut().zip(&answers) {
                    *done |= *answer == Settled::Done;
                }
                if !answers.contains(&Settled::Busy) {
                    return done;
                }
            }
        }
    });
    let mut done: BTreeMap<usize, usize> = BTreeMap::new();
    for answers in join_all(calls).await {
        for place in (0..answers.len()).filter(|place| answers[*place]) {
            *done.entry(place).or_default() += 1;
        }
    }
    assert_eq!(done, (0..20).map(|place| (place, 1)).collect());
    assert_eq!(called(&queue).await, (0..20).collect::<Vec<_>>());
}

/// Callbacks come back as they were given, from every verb that returns the task.
pub async fn c18_a_task_keeps_its_callbacks(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let backoff = Backoff::list([Duration::from_secs(1), Duration::from_millis(2500)]);
    let full = Callback::new([EndKind::Dead, EndKind::Cancelled], "alért")
        .queue("ops")
        .priority(-7)
        .max_retries(9)
        .backoff(backoff)
        .timeout(Duration::from_millis(1500));
    let given = vec![Callback::new(EndKind::ALL, "plain"), full];
    let with = |number| NewTask { callbacks: given.clone(), ..task(number).max_retries(0) };
    let ids = queue.enqueue_many((0..3).map(with).chain([task(3)]).collect()).await.unwrap();
    let held = take_many(&queue, 4).await;
    for task in &held {
        let expected = if task.id == ids[3] { &Vec::new() } else { &given };
        assert_eq!(&task.callbacks, expected);
    }
    queue.settle(&[settlement(&held[0], Outcome::Snooze { delay: HOUR })], SettleMode::All).await.unwrap();
    queue.fail(&held[1], boom()).await.unwrap();
    queue.retry(held[1].id).await.unwrap();
    queue.update(held[0].id, TaskUpdate { priority: Some(3), ..TaskUpdate::default() }).await.unwrap();
    for task in queue.get_many(&ids[..3]).await.unwrap() {
        assert_eq!(task.unwrap().callbacks, given);
    }
}

/// Bad callbacks are refused before anything is written.
pub async fn c14_bad_callbacks_are_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let dead = [EndKind::Dead];
    let bad = [
        Callback::new([], "alert"),
        Callback::new(dead, ""),
        Callback::new(dead, "alert").queue("q".repeat(129)),
        Callback::new(dead, "alert").max_retries(1_000_001),
        Callback::new(dead, "alert").timeout(Duration::ZERO),
        Callback::new(dead, "alert").backoff(Backoff { factor: 0.5, ..Backoff::default() }),
    ];
    for callback in bad {
        let error = queue.enqueue(task(1).callback(callback.clone())).await.unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains("callback"), "{callback:?}: {error}");
    }
    let many = NewTask { callbacks: vec![Callback::new(dead, "alert"); 33], ..task(1) };
    assert!(queue.enqueue(many).await.unwrap_err().to_string().contains("at most 32"));
    assert!(is_empty(&queue).await);
}
