//! Each verb by every driver, and what it leaves.

use std::time::Duration;

use omniq::port::{Outcome, SettleMode, Settled, Settlement};
use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq::{
    Backoff, EventFilter, EventKind, ResultFilter, ResultStatus, Task, TaskEvent, TaskResult, TaskState,
};
use omniq_testkit::TestDb;

use super::{DRIVERS, Driver, error, every_verb, held, inside, settlement};
use crate::witness::{full, number};

#[tokio::test]
async fn c21_every_verb_takes_part_in_the_users_transaction() {
    for driver in DRIVERS {
        let db = TestDb::new().await;
        let (backend, witness) = (full(&db).await, db.client().await);
        let held = held(&backend, 13).await;
        // The calls make nothing durable but rows of their own for the tasks.
        let count = async |sql: &str| number(&witness, &format!("select count(*) from omniq.{sql}")).await;
        for commit in [false, true] {
            let calls = async |on: &mut dyn UserConnection| {
                // On the heap: without optimisation, the future of all these calls fills the stack of a test.
                Box::pin(every_verb(&db, &backend, &held, on)).await;
            };
            inside(driver, &db.url(), commit, calls).await;
            if !commit {
                assert_eq!(count("task_list where state = 'running'").await, 13, "{driver:?}");
                for (table, left) in [("results", 0), ("events where kind <> 'enqueued'", 0)] {
                    assert_eq!(count(table).await, left, "{driver:?}: {table}");
                }
                for task in &held {
                    assert_eq!(backend.queue().get(task.id).await.unwrap().unwrap().claim, task.claim);
                }
            }
        }
        // By the queue alone: three completed, three dead, one released. By the backend: three completed, two dead, with results and events.
        for (state, left) in [("running", 0), ("ready", 4), ("dead", 5), ("completed", 0)] {
            assert_eq!(
                count(&format!("task_list where state = '{state}'")).await,
                left,
                "{driver:?} {state}"
            );
        }
        let results = backend.results().unwrap().list(&ResultFilter::default()).await.unwrap();
        let mut stored: Vec<_> = results
            .iter()
            .map(|result| {
                let place = held.iter().position(|task| task.id == result.task_id).unwrap();
                let value = result.value.as_ref().map(|value| value.decode::<usize>().unwrap());
                (place, result.status, value)
            })
            .collect();
        stored.sort_by_key(|(place, _, _)| *place);
        let (done, failed) = (ResultStatus::Completed, ResultStatus::Failed);
        let expected = [
            (0, done, Some(0)),
            (1, done, Some(1)),
            (2, ResultStatus::Cancelled, None),
            (7, done, Some(7)),
            (8, failed, None),
            (10, done, Some(10)),
            (11, done, None),
            (12, failed, None),
        ];
        assert_eq!(stored, expected, "{driver:?}");
        let events = backend.events().unwrap().query(&EventFilter::default()).await.unwrap();
        let kinds: Vec<_> = events
            .iter()
            .filter(|event| event.kind != EventKind::Enqueued)
            .map(|event| (event.kind.name().to_owned(), event.data.len()))
            .collect();
        let ends = [("completed", 0), ("failed", 1), ("completed", 0), ("completed", 0), ("failed", 1)];
        let expected = [&ends[..], &[("one", 0), ("two", 1), ("three", 1)]].concat();
        let expected: Vec<_> = expected.into_iter().map(|(kind, data)| (kind.to_owned(), data)).collect();
        assert_eq!(kinds, expected, "{driver:?}");
        let differ = "(select * from omniq.queue_counts except select * from omniq.scanned_counts) a";
        assert_eq!(number(&witness, &format!("select count(*) from {differ}")).await, 0);
        backend.close().await.unwrap();
    }
}

/// What is left of a task, its result and its events, without ids and times.
async fn left(backend: &AsyncPostgresBackend, id: TaskId) -> String {
    let task = backend.queue().get(id).await.unwrap().map(|task| {
        let later = task.run_at > jiff::Timestamp::now();
        let expires = task.expires_at.map(|at| at.duration_since(task.run_at.max(task.created_at)).as_secs());
        (task.state, task.attempt, task.claim, task.claimed_at, task.error, later, expires)
    });
    let result = backend.result(id).await.unwrap().map(|result| {
        let times = (result.enqueued_at.is_some(), result.started_at.is_some(), result.expires_at.is_some());
        let facts = (result.status, result.value, result.error, result.attempt, result.metadata);
        (facts, result.queue, result.func, result.worker, times)
    });
    let filter = EventFilter { task_id: Some(id), ..EventFilter::default() };
    let events = backend.events().unwrap().query(&filter).await.unwrap();
    let events: Vec<_> = events
        .into_iter()
        .map(|event| (event.kind, event.attempt, event.worker, event.func, event.data))
        .collect();
    format!("{task:?} {result:?} {events:?}")
}

/// The same batch, settled outside and inside a transaction, leaves the same.
#[tokio::test]
async fn c21_each_outcome_is_the_same_inside_a_transaction() {
    for keep in [false, true] {
        let db = TestDb::new().await;
        let settings = Settings::builder().url(db.url()).events("postgres").keep_completed(keep);
        let backend = AsyncPostgresBackend::with_settings(&settings.build().unwrap()).await.unwrap();
        let (hour, none) = (Duration::from_secs(3600), Duration::ZERO);
        let outcomes = [
            Outcome::Complete,
            Outcome::Fail { error: error() },
            Outcome::RetryLater { delay: hour, error: Some(error()) },
            Outcome::RetryLater { delay: none, error: None },
            Outcome::Release,
            Outcome::Snooze { delay: hour },
            Outcome::Discard,
            Outcome::Cancel,
            Outcome::Expire,
        ];
        let new = NewTask::new("f", &1).unwrap().ttl(hour * 2).metadata("a", "b");
        let count = outcomes.len();
        let ids = backend.enqueue_many(vec![new; 2 * count]).await.unwrap();
        let request = || Dequeue::from(["default"]).limit(100);
        // They had an earlier life, and a result of it.
        let earlier = backend.queue().dequeue_many(request()).await.unwrap();
        backend.queue().release_many(&earlier).await.unwrap();
        let old = ids.iter().map(|id| TaskResult::new(*id, ResultStatus::Expired)).collect();
        backend.results().unwrap().store_many(old).await.unwrap();
        let held = backend.queue().dequeue_many(request()).await.unwrap();
        let batch = |tasks: &[Task]| -> Vec<Settlement> {
            let one = |(task, outcome): (&Task, &Outcome)| {
                let mut one = settlement(task, outcome.clone());
                let mut result = TaskResult::of(task, ResultStatus::Completed);
                (result.value, result.error) = (Some(Payload::json(&1).unwrap()), Some(error()));
                (result.worker, result.ttl) = (Some("w".into()), Some(hour));
                one.result = Some(result);
                let event =
                    |kind: &str| TaskEvent::of(task, kind.parse().unwrap()).worker("w").with("d", 0.5);
                one.events = vec![event("first"), event("second")];
                one
            };
            tasks.iter().zip(&outcomes).map(one).collect()
        };
        let (outer, inner) = held.split_at(count);
        let outside = backend.settle(&batch(outer), SettleMode::Each).await.unwrap();
        let answers = inside(Driver::Client, &db.url(), true, async |on: &mut dyn UserConnection| {
            backend.settle_in(on, &batch(inner), SettleMode::Each).await.unwrap()
        })
        .await;
        assert_eq!(answers, outside, "keep: {keep}");
        assert_eq!(answers.last(), Some(&Settled::Lost), "it has not expired");
        for (place, outcome) in outcomes.iter().enumerate() {
            let (one, other) = (left(&backend, outer[place].id).await, left(&backend, inner[place].id).await);
            assert_eq!(one, other, "{outcome:?}, keep: {keep}");
        }
        let all = backend.results().unwrap().count(&ResultFilter::default()).await.unwrap();
        assert_eq!(all, 2 * count as u64, "one of each");
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn c21_a_result_is_replaced_with_the_transaction() {
    let db = TestDb::new().await;
    let results = AsyncPostgresResultStorage::connect(&db.url()).await.unwrap();
    let ids: Vec<TaskId> = (0..20).map(|_| TaskId::new()).collect();
    let result = |id: TaskId, value: i32| {
        let mut result = TaskResult::new(id, ResultStatus::Completed);
        // Far ahead of all partitions.
        result.ttl = (value > 1).then_some(Duration::from_secs(3 * 366 * 24 * 3600));
        result.value = Some(Payload::json(&value).unwrap());
        result
    };
    results.store_many(ids.iter().map(|id| result(*id, 1)).collect()).await.unwrap();
    let values = async || -> Vec<i32> {
        let found = results.get_many(&ids).await.unwrap();
        found.into_iter().map(|found| found.unwrap().value.unwrap().decode().unwrap()).collect()
    };
    for commit in [false, true] {
        inside(Driver::Sqlx, &db.url(), commit, async |on: &mut dyn UserConnection| {
            let twice = [result(ids[0], 2), result(ids[0], 3), result(ids[7], 4), result(ids[19], 5)];
            results.store_many_in(on, twice.to_vec()).await.unwrap();
            assert_eq!(values().await, [1; 20], "not visible yet");
        })
        .await;
    }
    let mut expected = [1; 20];
    (expected[0], expected[7], expected[19]) = (3, 4, 5);
    assert_eq!(values().await, expected);
    assert_eq!(results.count(&ResultFilter::default()).await.unwrap(), 20);
    results.close().await.unwrap();
}

#[tokio::test]
async fn c21_a_failure_is_retried_after_its_backoff_with_the_transaction() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let task = NewTask::new("f", &1).unwrap().backoff(Backoff::fixed(Duration::from_secs(3600)));
    let id = backend.enqueue(task).await.unwrap();
    let held = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let state = inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        backend.fail_in(on, &held, error()).await.unwrap()
    })
    .await;
    let task = backend.queue().get(id).await.unwrap().unwrap();
    assert_eq!((state, task.state, task.error), (TaskState::Scheduled, TaskState::Scheduled, Some(error())));
    assert!(task.run_at > jiff::Timestamp::now() + Duration::from_secs(3000));
    backend.close().await.unwrap();
}
