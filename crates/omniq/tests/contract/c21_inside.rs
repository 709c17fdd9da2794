//! C21: each verb of the storages takes part in the user's own transaction, by every driver, with the same effect as
//! outside.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use omniq::port::{Outcome, SettleMode, Settled, Settlement};
use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq::{
    Backoff, EventFilter, EventKind, ResultFilter, ResultStatus, Task, TaskError, TaskEvent, TaskFilter,
    TaskResult, TaskState,
};
use omniq_testkit::TestDb;
use sqlx::Connection;
use tokio_postgres::NoTls;

use crate::witness::{full, number, rows};

#[derive(Clone, Copy, Debug)]
enum Driver {
    Client,
    Transaction,
    Deadpool,
    Sqlx,
    Diesel,
}

const DRIVERS: [Driver; 5] =
    [Driver::Client, Driver::Transaction, Driver::Deadpool, Driver::Sqlx, Driver::Diesel];

/// Makes the calls in a transaction of this driver, and ends it.
async fn inside<T>(
    driver: Driver,
    url: &str,
    commit: bool,
    calls: impl AsyncFnOnce(&mut dyn UserConnection) -> T,
) -> T {
    let end = if commit { "commit" } else { "rollback" };
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    match driver {
        Driver::Client => {
            client.batch_execute("begin").await.unwrap();
            let answer = calls(&mut client).await;
            client.batch_execute(end).await.unwrap();
            answer
        }
        Driver::Transaction => {
            let mut transaction = client.transaction().await.unwrap();
            let answer = calls(&mut transaction).await;
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
            answer
        }
        Driver::Deadpool => {
            let manager = deadpool_postgres::Manager::new(url.parse().unwrap(), NoTls);
            let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
            let mut client = pool.get().await.unwrap();
            let mut transaction = client.transaction().await.unwrap();
            let answer = calls(&mut transaction).await;
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
            answer
        }
        Driver::Sqlx => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            let mut transaction = connection.begin().await.unwrap();
            let answer = calls(&mut *transaction).await;
            if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
            answer
        }
        Driver::Diesel => {
            let mut connection = AsyncPgConnection::establish(url).await.unwrap();
            connection.batch_execute("begin").await.unwrap();
            let answer = calls(&mut connection).await;
            connection.batch_execute(end).await.unwrap();
            answer
        }
    }
}

/// Tasks of one segment, all held.
async fn held(backend: &AsyncPostgresBackend, count: i32) -> Vec<Task> {
    let tasks = (0..count).map(|n| NewTask::new("f", &n).unwrap().max_retries(0)).collect();
    backend.enqueue_many(tasks).await.unwrap();
    let request = Dequeue::from(["default"]).limit(count.unsigned_abs());
    let held = backend.queue().dequeue_many(request).await.unwrap();
    assert_eq!(held.len(), count.unsigned_abs() as usize);
    held
}

fn settlement(task: &Task, outcome: Outcome) -> Settlement {
    Settlement { task_id: task.id, claim: task.claim, outcome, result: None, events: Vec::new() }
}

fn error() -> TaskError {
    TaskError::new("E", "e")
}

/// All verbs of a queue, a result storage, an event storage and a backend. Ten tasks are settled.
async fn every_verb(db: &TestDb, backend: &AsyncPostgresBackend, held: &[Task], on: &mut dyn UserConnection) {
    let queue = backend.queue();
    let alone = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let results = AsyncPostgresResultStorage::connect(&db.url()).await.unwrap();
    let events = AsyncPostgresEventStorage::connect(&db.url()).await.unwrap();
    alone.enqueue_in(on, NewTask::new("g", &1).unwrap()).await.unwrap();
    alone.enqueue_many_in(on, vec![NewTask::new("g", &1).unwrap(); 2]).await.unwrap();
    alone.complete_in(on, &held[0]).await.unwrap();
    alone.complete_many_in(on, &held[1..3]).await.unwrap();
    assert_eq!(alone.fail_in(on, &held[3], error()).await.unwrap(), TaskState::Dead);
    let failed = held[4..6].iter().map(|task| (task.clone(), error())).collect();
    assert_eq!(alone.fail_many_in(on, failed).await.unwrap(), [TaskState::Dead; 2]);
    let batch = [settlement(&held[6], Outcome::Release), settlement(&held[6], Outcome::Discard)];
    let answers = alone.settle_in(on, &batch, SettleMode::Each).await.unwrap();
    assert_eq!(answers, [Settled::Done, Settled::Lost], "of two the first one counts");
    backend.complete_in(on, &held[7], Some(Payload::json(&7).unwrap())).await.unwrap();
    assert_eq!(backend.fail_in(on, &held[8], error()).await.unwrap(), TaskState::Dead);
    let batch = [settlement(&held[9], Outcome::Discard)];
    assert_eq!(backend.settle_in(on, &batch, SettleMode::All).await.unwrap(), [Settled::Done]);
    let result = |n: usize| {
        let mut result = TaskResult::of(&held[n], ResultStatus::Completed);
        result.value = Some(Payload::json(&n).unwrap());
        result
    };
    results.store_in(on, result(0)).await.unwrap();
    results
        .store_many_in(on, vec![result(1), TaskResult::of(&held[2], ResultStatus::Cancelled)])
        .await
        .unwrap();
    events.log_in(on, TaskEvent::new("one".parse().unwrap())).await.unwrap();
    let many = ["two", "three"].map(|kind| TaskEvent::new(kind.parse().unwrap()).with("a", 1));
    events.log_many_in(on, many.to_vec()).await.unwrap();
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 10, "nothing is visible yet");
    for close in [alone.close().await, results.close().await, events.close().await] {
        close.unwrap();
    }
}

#[tokio::test]
async fn c21_every_verb_takes_part_in_the_users_transaction() {
    for driver in DRIVERS {
        let db = TestDb::new().await;
        let (backend, witness) = (full(&db).await, db.client().await);
        let held = held(&backend, 10).await;
        // The calls make nothing durable but rows of their own for the tasks.
        let count = async |sql: &str| number(&witness, &format!("select count(*) from omniq.{sql}")).await;
        for commit in [false, true] {
            let calls = async |on: &mut dyn UserConnection| {
                // On the heap: without optimisation, the future of all these calls fills the stack of a test.
                Box::pin(every_verb(&db, &backend, &held, on)).await;
            };
            inside(driver, &db.url(), commit, calls).await;
            if !commit {
                assert_eq!(count("task_list where state = 'running'").await, 10, "{driver:?}");
                for (table, left) in [("results", 0), ("events where kind <> 'enqueued'", 0)] {
                    assert_eq!(count(table).await, left, "{driver:?}: {table}");
                }
                for task in &held {
                    assert_eq!(backend.queue().get(task.id).await.unwrap().unwrap().claim, task.claim);
                }
            }
        }
        // By the queue alone: three completed, three dead, one released. By the backend: with results and events.
        for (state, left) in [("running", 0), ("ready", 4), ("dead", 4), ("completed", 0)] {
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
        ];
        assert_eq!(stored, expected, "{driver:?}");
        let events = backend.events().unwrap().query(&EventFilter::default()).await.unwrap();
        let kinds: Vec<_> = events
            .iter()
            .filter(|event| event.kind != EventKind::Enqueued)
            .map(|event| (event.kind.name().to_owned(), event.data.len()))
            .collect();
        let expected = [("completed", 0), ("failed", 1), ("one", 0), ("two", 1), ("three", 1)];
        assert_eq!(kinds, expected.map(|(kind, data)| (kind.to_owned(), data)), "{driver:?}");
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
async fn c21_a_settlement_in_an_open_transaction_holds_up_no_other_of_its_segment() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let held = held(&backend, 12).await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 1, "a segment");
    let chosen: Vec<Task> = held.iter().skip(1).step_by(3).cloned().collect();
    let others: Vec<Task> = held.iter().filter(|task| !chosen.contains(task)).cloned().collect();
    inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
        queue.complete_many_in(on, &chosen).await.unwrap();
        let settled = tokio::time::timeout(Duration::from_secs(20), backend.queue().complete_many(&others));
        settled.await.expect("they wait for nothing").unwrap();
        assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 4);
        queue.close().await.unwrap();
    })
    .await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    assert_eq!(number(&witness, "select count(*) from omniq.queue_counts").await, 0);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_a_lost_claim_fails_the_transaction_or_is_answered() {
    for driver in DRIVERS {
        let db = TestDb::new().await;
        let backend = full(&db).await;
        let held = held(&backend, 3).await;
        let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
        backend.queue().release(&held[1]).await.unwrap();
        inside(driver, &db.url(), false, async |on: &mut dyn UserConnection| {
            let refused = queue.complete_many_in(on, &held).await.unwrap_err();
            assert!(refused.is_claim_lost(), "{driver:?}: {refused:?}");
            assert!(refused.to_string().contains(&held[1].id.to_string()), "{refused}");
            assert!(queue.enqueue_in(on, NewTask::new("f", &1).unwrap()).await.is_err(), "it has failed");
        })
        .await;
        let batch: Vec<_> = held.iter().map(|task| settlement(task, Outcome::Complete)).collect();
        let answers = inside(driver, &db.url(), true, async |on: &mut dyn UserConnection| {
            queue.settle_in(on, &batch, SettleMode::Each).await.unwrap()
        })
        .await;
        assert_eq!(answers, [Settled::Done, Settled::Lost, Settled::Done], "{driver:?}");
        // Of a task that is not held there is nothing to end.
        let waiting = backend.queue().get(held[1].id).await.unwrap().unwrap();
        let answers = inside(driver, &db.url(), true, async |on: &mut dyn UserConnection| {
            assert!(backend.complete_in(on, &waiting, None).await.unwrap_err().is_claim_lost());
            queue.settle_in(on, &[settlement(&waiting, Outcome::Cancel)], SettleMode::Each).await.unwrap()
        })
        .await;
        assert_eq!(answers, [Settled::Lost]);
        queue.close().await.unwrap();
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
async fn c21_a_connection_to_another_database_settles_and_stores_nothing() {
    let (db, other, without) = (TestDb::new().await, TestDb::new().await, TestDb::new().await);
    let (backend, theirs) = (full(&db).await, full(&other).await);
    let held = held(&backend, 2).await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let results = AsyncPostgresResultStorage::connect(&db.url()).await.unwrap();
    let events = AsyncPostgresEventStorage::connect(&db.url()).await.unwrap();
    let before = rows(&other.client().await).await;
    for (place, driver) in
        DRIVERS.into_iter().map(|driver| (&other, driver)).chain([(&without, Driver::Sqlx)])
    {
        for no in 0..7 {
            let error = inside(driver, &place.url(), true, async |on: &mut dyn UserConnection| match no {
                0 => queue.complete_in(on, &held[0]).await.unwrap_err(),
                1 => queue.complete_many_in(on, &held).await.unwrap_err(),
                2 => queue.fail_in(on, &held[0], error()).await.unwrap_err(),
                3 => backend.complete_in(on, &held[0], None).await.unwrap_err(),
                4 => backend.fail_in(on, &held[0], error()).await.unwrap_err(),
                5 => {
                    let result = TaskResult::of(&held[0], ResultStatus::Completed);
                    results.store_in(on, result).await.unwrap_err()
                }
                _ => events.log_in(on, TaskEvent::new("mine".parse().unwrap())).await.unwrap_err(),
            })
            .await;
            assert!(error.is_invalid(), "{driver:?}, {no}: {error:?}");
            assert!(error.to_string().contains("nothing was written"), "{error}");
        }
    }
    assert_eq!(rows(&other.client().await).await, before);
    backend.queue().complete_many(&held).await.unwrap();
    for close in [queue.close().await, results.close().await, events.close().await, theirs.close().await] {
        close.unwrap();
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_what_no_transaction_reaches_is_refused() {
    let db = TestDb::new().await;
    let mut client = db.client().await;
    let place = |name: &str, value: &str| {
        let settings = Settings::builder().url(db.url());
        match name {
            "tasks" => settings.tasks(value),
            "results" => settings.results(value),
            _ => settings.events(value),
        }
    };
    for (part, value, words) in [
        ("tasks", "memory", "the queue is not on PostgreSQL"),
        ("results", "memory", "results are kept elsewhere"),
        ("events", "memory", "events are kept elsewhere"),
    ] {
        let settings = place(part, value);
        let backend = AsyncPostgresBackend::with_settings(&settings.build().unwrap()).await.unwrap();
        let held = held(&backend, 1).await;
        let refused = backend.complete_in(&mut client, &held[0], None).await.unwrap_err();
        assert!(refused.is_invalid() && refused.to_string().contains(words), "{refused}");
        backend.complete(&held[0], None).await.unwrap();
        backend.close().await.unwrap();
    }
    // What is off is left out.
    let settings = place("results", "off").build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let held = held(&backend, 1).await;
    backend.complete_in(&mut client, &held[0], Some(Payload::json(&1).unwrap())).await.unwrap();
    assert_eq!(backend.queue().count(&TaskFilter::default()).await.unwrap(), 0);
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_a_failure_is_retried_after_its_backoff_with_the_transaction() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let task = NewTask::new("f", &1).unwrap().backoff(Backoff::constant(Duration::from_secs(3600)));
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

/// Found by a hostile reader: the result of an earlier life was in one row with those of other tasks, which the transaction locked.
#[tokio::test]
async fn c21_transactions_that_replace_results_of_one_row_do_not_wait_for_each_other() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let held_first = held(&backend, 10).await;
    let batch: Vec<_> = held_first
        .iter()
        .map(|task| {
            let mut one = settlement(task, Outcome::Fail { error: error() });
            one.result = Some(TaskResult::of(task, ResultStatus::Failed));
            one
        })
        .collect();
    backend.settle(&batch, SettleMode::All).await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.result_segments").await, 1, "in one row");
    let ids: Vec<TaskId> = held_first.iter().map(|task| task.id).collect();
    backend.queue().retry_many(&ids).await.unwrap();
    let held = backend.queue().dequeue_many(Dequeue::from(["default"]).limit(10)).await.unwrap();
    inside(Driver::Transaction, &db.url(), true, async |first: &mut dyn UserConnection| {
        backend.complete_in(first, &held[3], None).await.unwrap();
        let url = db.url();
        let second = inside(Driver::Sqlx, &url, true, async |second: &mut dyn UserConnection| {
            backend.complete_in(second, &held[4], None).await.unwrap();
            backend.complete(&held[5], None).await.unwrap();
        });
        tokio::time::timeout(Duration::from_secs(20), second).await.expect("it waits for nothing");
    })
    .await;
    let results = backend.results().unwrap();
    let of = async |status| {
        results.count(&ResultFilter { status: Some(status), ..ResultFilter::default() }).await.unwrap()
    };
    assert_eq!((of(ResultStatus::Completed).await, of(ResultStatus::Failed).await), (3, 7));
    assert_eq!(number(&witness, "select count(*) from omniq.results").await, 10, "one of each");
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the partition that the enqueue makes in the transaction was waited for by another connection.
#[tokio::test]
async fn c21_an_enqueue_and_a_completion_share_a_transaction_where_the_day_has_no_partition() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let held = held(&backend, 2).await;
    let without = "do $$ declare part text; begin
        for part in select name from omniq.events_partitions loop execute format('drop table omniq.%I', part); end loop;
        delete from omniq.events_partitions; end $$";
    witness.batch_execute(without).await.unwrap();
    inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        backend.enqueue_in(on, NewTask::new("g", &1).unwrap()).await.unwrap();
        backend.complete_in(on, &held[0], None).await.unwrap();
        backend.fail_in(on, &held[1], error()).await.unwrap();
    })
    .await;
    let events = backend.events().unwrap().query(&EventFilter::default()).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["enqueued", "completed", "failed"]);
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the statement before the transaction's own had no limit.
#[tokio::test]
async fn c21_a_locked_segment_is_waited_for_as_long_as_for_a_connection() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).acquire_timeout(Duration::from_secs(1)).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let (held, mut holder) = (held(&backend, 3).await, db.client().await);
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("select from omniq.tasks for update").await.unwrap();
    inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        let refused = backend.complete_in(on, &held[0], None);
        let refused =
            tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it ends").unwrap_err();
        assert!(refused.is_timeout() && refused.sqlstate() == Some("55P03"), "{refused:?}");
        lock.rollback().await.unwrap();
        // The transaction can go on.
        backend.complete_in(on, &held[0], None).await.unwrap();
    })
    .await;
    assert_eq!(backend.queue().count(&TaskFilter::default()).await.unwrap(), 2);
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the close failed, and its error could undo the transaction.
#[tokio::test]
async fn c21_a_close_leaves_the_tasks_of_an_open_transaction_to_it() {
    for commit in [true, false] {
        let db = TestDb::new().await;
        let witness = db.client().await;
        let settings = Settings::builder().url(db.url()).lease(Duration::from_millis(500)).build().unwrap();
        let queue = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
        queue.enqueue_many(vec![NewTask::new("f", &1).unwrap(); 5]).await.unwrap();
        let held = queue.dequeue_many(Dequeue::from(["default"]).limit(5)).await.unwrap();
        inside(Driver::Transaction, &db.url(), commit, async |on: &mut dyn UserConnection| {
            queue.complete_many_in(on, &held[..2]).await.unwrap();
            queue.close().await.unwrap();
            assert_eq!(
                number(&witness, "select ready from omniq.queue_counts").await,
                3,
                "the others are back"
            );
        })
        .await;
        let other = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
        let expected = if commit { 3 } else { 5 };
        let mut seen = std::collections::HashSet::new();
        // Those of a rollback come back once the lease has ended.
        while seen.len() < expected {
            let request = Dequeue::from(["default"]).timeout(Duration::from_secs(20));
            seen.insert(other.dequeue(request).await.unwrap().expect("another one comes back").id);
        }
        assert_eq!(other.count(&TaskFilter::default()).await.unwrap(), expected as u64);
        other.close().await.unwrap();
    }
}

#[tokio::test]
async fn c21_a_transaction_that_began_before_says_why_it_does_not_see_a_task() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let held = held(&backend, 3).await;
    for (level, is_answered) in
        [("read uncommitted", true), ("repeatable read", false), ("serializable", false)]
    {
        let mut client = db.client().await;
        client
            .batch_execute(&format!("begin isolation level {level}; select 1 from omniq.tasks"))
            .await
            .unwrap();
        backend.queue().release(&held[2]).await.ok();
        let batch: Vec<_> = held[1..].iter().map(|task| settlement(task, Outcome::Complete)).collect();
        let answer = backend.settle_in(&mut client, &batch, SettleMode::Each).await;
        client.batch_execute("rollback").await.unwrap();
        match answer {
            Ok(answers) => {
                assert!(is_answered && answers == [Settled::Done, Settled::Lost], "{level}: {answers:?}")
            }
            Err(error) => {
                assert!(!is_answered && error.is_claim_lost(), "{level}: {error:?}");
                assert!(error.to_string().contains("not read committed"), "{error}");
            }
        }
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c21_results_where_the_schema_keeps_none_are_refused() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let task = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let mut with_result = settlement(&task, Outcome::Complete);
    with_result.result = Some(TaskResult::of(&task, ResultStatus::Completed));
    for driver in [Driver::Transaction, Driver::Sqlx] {
        let error = inside(driver, &db.url(), false, async |on: &mut dyn UserConnection| {
            queue.settle_in(on, &[with_result.clone()], SettleMode::All).await.unwrap_err()
        })
        .await;
        assert!(error.is_invalid() && error.to_string().contains("this schema keeps none"), "{error:?}");
    }
    queue.complete(&task).await.unwrap();
    queue.close().await.unwrap();
}
