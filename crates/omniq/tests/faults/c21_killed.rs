//! C21: a process is killed around the commit of the transaction in which its task completes.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::{Process, TestDb, eventually, heavy};

use crate::effects::{self, number, number_is};

const PATIENCE: Duration = Duration::from_secs(60);

/// Kills a worker once its handler has reached that point. Returns the number of payments and the attempt that counts.
async fn killed_when(point: &str) -> (i64, i64) {
    let db = TestDb::new().await;
    effects::create(&db).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let id = backend.enqueue(NewTask::new("pay", &()).unwrap()).await.unwrap();
    let all = [
        ("url", db.url()),
        ("effects", db.url()),
        ("concurrency", "1".to_owned()),
        ("lease", "2".to_owned()),
    ];
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let witness = db.client().await;

    let mut victim = Process::start("worker", &[&all[..], &[("stops", point)]].concat());
    let there = format!("select count(*) from effects where kind = '{point}'");
    eventually("it has come there", PATIENCE, async || number_is(&witness, &there, 1).await).await;
    let before = number(&witness, "select count(*) from omniq.results").await;
    assert_eq!(before, i64::from(point == "committed"), "nothing is seen before the commit");
    victim.kill();

    let _rescuer = Process::start("worker", &all);
    backend.wait(id, PATIENCE).await.unwrap();
    eventually("the killed one is struck off", PATIENCE, async || {
        number_is(&witness, "select count(*) from omniq.workers where ended_at is null", 1).await
    })
    .await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    let paid = number(&witness, "select count(*) from effects where kind = 'paid'").await;
    let attempt = number(&witness, "select attempt::bigint from omniq.results").await;
    backend.close().await.unwrap();
    (paid, attempt)
}

#[tokio::test]
async fn c21_a_kill_before_the_commit_undoes_the_completion_and_one_after_it_does_not() {
    let _turn = heavy();
    assert_eq!(killed_when("completed").await, (1, 2), "by the second run alone");
    assert_eq!(killed_when("committed").await, (1, 1), "by the first run alone");
}
