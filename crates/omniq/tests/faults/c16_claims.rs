//! C16: many workers at once, every task claimed once.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{Process, TestDb, eventually, heavy};

use crate::effects::{self, number};

const TASKS: i64 = 20_000;

/// Twelve processes with eight workers each drain 20,000 tasks: every task runs exactly once, as its side effects show.
#[tokio::test]
async fn c16_twelve_processes_run_twenty_thousand_tasks_once_each() {
    let _turn = heavy();
    let db = TestDb::new().await;
    effects::create(&db).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    for start in (0..TASKS).step_by(1000) {
        let tasks = (start..start + 1000).map(|i| NewTask::new("effect", &i).unwrap()).collect();
        backend.enqueue_many(tasks).await.unwrap();
    }

    let url = format!("{}?pool_max=4", db.url());
    let began = Instant::now();
    let mut workers: Vec<_> = (0..12)
        .map(|_| Process::start("worker", &[("url", &url), ("effects", &db.url()), ("concurrency", "8")]))
        .collect();
    let witness = db.client().await;
    eventually("all tasks have left the queue", Duration::from_secs(120), async || {
        (number(&witness, "select count(*) from omniq.tasks").await == 0).then_some(())
    })
    .await;
    println!("12 processes, {TASKS} tasks: {:?}", began.elapsed());

    let ran = witness
        .query_one(
            "select count(*), count(distinct task), max(attempt), count(distinct pid) from effects",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(ran.get::<_, i64>(0), TASKS, "runs");
    assert_eq!(ran.get::<_, i64>(1), TASKS, "tasks that ran");
    assert_eq!(ran.get::<_, i32>(2), 1, "no run was a second one");
    assert!(ran.get::<_, i64>(3) > 1, "the work was shared");
    let completed = "select count(*) from omniq.results where status = 'completed' and attempt = 1";
    assert_eq!(number(&witness, completed).await, TASKS);

    // A graceful end: no worker stays registered, no session stays open.
    workers.iter().for_each(Process::terminate);
    assert!(workers.iter_mut().all(Process::join), "every worker ends well");
    assert_eq!(number(&witness, "select count(*) from omniq.workers").await, 0);
    backend.close().await.unwrap();
}
