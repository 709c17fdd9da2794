//! C21: transactions that are prepared for a two-phase commit: one with an enqueue (issue 12, E7), and one that holds a task.

use omniq::port::{Outcome, SettleMode, Settled, Settlement};
use omniq::prelude::*;
use omniq_testkit::{Log, TestDb, eventually, fault_server};

use crate::witness::{PATIENCE, number};

/// While a worker is idle, its notification keeps a transaction from being prepared; the setting leaves it out, by SQL and by the library.
#[tokio::test]
async fn c21_an_enqueue_without_notify_can_be_prepared() {
    let server = fault_server("prepared");
    let db = TestDb::on(&server.url()).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let echo = |value: i64, _: Context| async move { Ok::<_, Failure>(value) };
    let worker = Worker::builder(&backend).register("echo", echo).build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let mut client = db.client().await;
    let listeners = "select count(*) from omniq.listeners";
    eventually("it sleeps", PATIENCE, async || (number(&client, listeners).await == 1).then_some(())).await;

    client.batch_execute("begin; select omniq.enqueue('echo', '1')").await.unwrap();
    let refused = client.batch_execute("prepare transaction 'loud'").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "0A000", "{refused:?}");

    client
        .batch_execute("begin; set local omniq.notify = off; select omniq.enqueue('echo', '2')")
        .await
        .unwrap();
    let third = backend.enqueue_in(&mut client, NewTask::new("echo", &3).unwrap()).await.unwrap();
    client.batch_execute("prepare transaction 'quiet'").await.unwrap();
    client.batch_execute("commit prepared 'quiet'").await.unwrap();
    let result = backend.wait(third, PATIENCE).await.unwrap();
    assert_eq!(result.value.unwrap().decode::<i64>().unwrap(), 3);
    let done = "select count(*) from omniq.results";
    eventually("both ran", PATIENCE, async || (number(&client, done).await == 2).then_some(())).await;
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// It belongs to no session, and lasts until it is ended by its name: so the log names it.
#[tokio::test]
async fn c21_a_prepared_transaction_that_holds_a_task_is_named_in_the_log() {
    let server = fault_server("forgotten");
    let db = TestDb::on(&server.url()).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let queue = backend.queue();
    queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let task = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let client = db.client().await;
    let hold = "begin; select from omniq.tasks for update; prepare transaction 'it''s forgotten'";
    client.batch_execute(hold).await.unwrap();

    let end = || Settlement::new(task.id, task.claim, Outcome::Complete);
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    assert_eq!(queue.settle(&[end()], SettleMode::Each).await.unwrap(), [Settled::Busy]);
    drop(logging);
    let log = log.text();
    let named = "wait for the prepared transaction 'it''s forgotten' since 2";
    assert!(log.contains("WARN") && log.contains(named) && log.contains("ROLLBACK PREPARED"), "{log}");

    client.batch_execute("rollback prepared 'it''s forgotten'").await.unwrap();
    assert_eq!(queue.settle(&[end()], SettleMode::Each).await.unwrap(), [Settled::Done]);
    backend.close().await.unwrap();
}
