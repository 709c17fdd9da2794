//! C21: an enqueue in a transaction that is prepared for a commit in two phases (issue 12, E7).

use omniq::prelude::*;
use omniq_testkit::{TestDb, eventually, fault_server};

use crate::witness::{PATIENCE, number};

/// While a worker sleeps, its bell keeps a transaction from being prepared; the setting leaves it out, by SQL and by the library.
#[tokio::test]
async fn c21_an_enqueue_without_the_bell_can_be_prepared() {
    let server = fault_server("prepared");
    let db = TestDb::on(&server.url()).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let echo = |value: i64, _: Context| async move { Ok::<_, Failure>(value) };
    let worker = Worker::builder(backend.backend().clone()).register("echo", echo).build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let mut client = db.client().await;
    let sleepers = "select count(*) from omniq.sleepers";
    eventually("it sleeps", PATIENCE, async || (number(&client, sleepers).await == 1).then_some(())).await;

    client.batch_execute("begin; select omniq.enqueue('echo', '1')").await.unwrap();
    let refused = client.batch_execute("prepare transaction 'loud'").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "0A000", "{refused:?}");

    client
        .batch_execute("begin; set local omniq.bell = off; select omniq.enqueue('echo', '2')")
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
