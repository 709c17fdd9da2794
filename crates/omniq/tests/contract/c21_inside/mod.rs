//! C21: each verb of the storages takes part in the user's own transaction, by every driver, with the same effect as
//! outside.

mod locks;
mod refused;
mod verbs;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use omniq::port::{Outcome, SettleMode, Settled, Settlement};
use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq::{ResultStatus, Task, TaskError, TaskEvent, TaskFilter, TaskResult, TaskState};
use omniq_testkit::TestDb;
use sqlx::Connection;
use tokio_postgres::NoTls;

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
    Settlement::new(task.id, task.claim, outcome)
}

fn error() -> TaskError {
    TaskError::new("E", "e")
}

/// All verbs of a queue, a result storage, an event storage and a backend. Thirteen tasks are settled.
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
    let done = vec![(held[10].clone(), Some(Payload::json(&10).unwrap())), (held[11].clone(), None)];
    backend.complete_many_in(on, done).await.unwrap();
    let failed = vec![(held[12].clone(), error())];
    assert_eq!(backend.fail_many_in(on, failed).await.unwrap(), [TaskState::Dead]);
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
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 13, "nothing is visible yet");
    for close in [alone.close().await, results.close().await, events.close().await] {
        close.unwrap();
    }
}
