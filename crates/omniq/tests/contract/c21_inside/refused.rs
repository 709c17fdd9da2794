//! What is refused in a transaction, and that nothing is written then.

use omniq::port::{Outcome, SettleMode, Settled};
use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq::{ResultStatus, TaskEvent, TaskFilter, TaskResult};
use omniq_testkit::TestDb;

use super::{DRIVERS, Driver, error, held, inside, settlement};
use crate::witness::{full, rows};

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
