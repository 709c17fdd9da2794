//! C29: the server is restarted repeatedly without warning; queue, workers and enqueuers continue by themselves.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_embedded::StopMode;
use omniq_testkit::{Process, TestDb, eventually, fault_server, heavy};

use crate::effects::{self, number, number_is};
use crate::load;

const TASKS: i64 = 20_000;
const RESTARTS: i64 = 10;
const WORKERS: i64 = 2;
const CONCURRENCY: i64 = 8;

/// Ten restarts in immediate mode during a load of 20,000 tasks, on a server that is durable as in production: nothing is
/// lost, no process is restarted, and only runs that were in progress at a restart may be repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_ten_restarts_of_the_server_lose_nothing() {
    let _turn = heavy();
    let mut server = fault_server("restart");
    let db = TestDb::on(&server.url()).await;
    effects::create(&db).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let concurrency = CONCURRENCY.to_string();
    let (url, pool) = (db.url(), format!("{}?pool_max=4", db.url()));
    let arguments = [("url", pool.as_str()), ("effects", &url), ("concurrency", &concurrency)];
    let mut workers: Vec<_> = (0..WORKERS).map(|_| Process::start("worker", &arguments)).collect();

    let began = Instant::now();
    let pause = Duration::from_millis(80);
    let enqueuers: Vec<_> =
        (0..2).map(|_| tokio::spawn(load::enqueue(backend.clone(), TASKS / 2, pause))).collect();
    let restarts = tokio::task::spawn_blocking(move || {
        for _ in 0..RESTARTS {
            std::thread::sleep(Duration::from_millis(500));
            server.restart(StopMode::Immediate).unwrap();
        }
        server
    });
    let _server = restarts.await.unwrap();
    println!("{RESTARTS} restarts after {:?}", began.elapsed());
    let mut failures = 0;
    for enqueuer in enqueuers {
        failures += enqueuer.await.unwrap();
    }
    let witness = db.client().await;
    eventually("all tasks have left the queue", Duration::from_secs(120), async || {
        number_is(&witness, "select count(*) from omniq.tasks", 0).await
    })
    .await;
    println!("{TASKS} tasks: {:?}; {failures} enqueues met an outage", began.elapsed());
    assert_eq!(failures, 0, "an enqueue waits until the server is back");

    let completed = "select count(*) from omniq.results where status = 'completed'";
    assert_eq!(number(&witness, completed).await, TASKS, "every task has its result");
    assert_eq!(number(&witness, "select count(distinct task) from effects").await, TASKS, "and its effect");
    assert_eq!(number(&witness, "select count(distinct (task, attempt)) - count(*) from effects").await, 0);
    let again = number(&witness, "select count(*) from effects").await - TASKS;
    println!("{again} ran again");
    assert!(again <= RESTARTS * WORKERS * CONCURRENCY, "{again} ran again: more than were under way");
    assert!(workers.iter_mut().all(Process::is_alive), "the workers have lived through it");
    workers.iter().for_each(Process::terminate);
    assert!(workers.iter_mut().all(Process::join));
    backend.close().await.unwrap();
}
