//! C17: the tasks of a killed process come back within the documented time, with the default settings.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{Process, TestDb, eventually, heavy};

use crate::effects::{self, number, number_is};

/// From the kill to the end of the last task: the time that the documentation promises for the default settings.
const STATED: Duration = Duration::from_secs(15);

/// A process is killed with 1,000 tasks running: other processes complete them all, none is lost, and the attempt counts.
#[tokio::test]
async fn c17_the_tasks_of_a_killed_process_are_run_by_others_within_the_stated_time() {
    let _turn = heavy();
    let db = TestDb::new().await;
    effects::create(&db).await;
    let backend = AsyncPostgresBackend::connect(&format!("{}?events=postgres", db.url())).await.unwrap();
    let tasks = (0..1000).map(|i| NewTask::new("effect", &i).unwrap()).collect();
    backend.enqueue_many(tasks).await.unwrap();

    let url = format!("{}?events=postgres&pool_max=4", db.url());
    let all = [("url", url.as_str()), ("effects", &db.url()), ("concurrency", "1000"), ("hangs", "yes")];
    let mut victim = Process::start("worker", &all);
    let witness = db.client().await;
    eventually("all 1,000 run in one process", Duration::from_secs(60), async || {
        number_is(&witness, "select count(*) from effects", 1000).await
    })
    .await;
    let running = "select count(*) from omniq.task_list where state = 'running'";
    assert_eq!(number(&witness, running).await, 1000);
    let others = [("url", url.as_str()), ("effects", &db.url()), ("concurrency", "8")];
    let _rescuers = [Process::start("worker", &others), Process::start("worker", &others)];
    eventually("the others are there", Duration::from_secs(60), async || {
        number_is(&witness, "select count(*) from omniq.workers", 3).await
    })
    .await;

    victim.kill();
    let killed = Instant::now();
    let mut first = None;
    eventually("all have been run by others", Duration::from_secs(60), async || {
        let done = number(&witness, "select count(*) from omniq.results where status = 'completed'").await;
        if done > 0 && first.is_none() {
            first = Some(killed.elapsed());
        }
        (done == 1000).then_some(())
    })
    .await;
    let took = killed.elapsed();
    println!("1,000 tasks of a killed process: the first back after {first:?}, all done after {took:?}");
    assert!(took < STATED, "{took:?}");

    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0, "nothing is left behind");
    let second = "select count(distinct task) from effects where attempt = 2";
    assert_eq!(number(&witness, second).await, 1000, "each has run anew, the first run counted");
    assert_eq!(number(&witness, "select count(*) from effects").await, 2000, "and only once");
    let results = "select count(*) from omniq.results where attempt = 2";
    assert_eq!(number(&witness, results).await, 1000);
    let rescued = "select count(*) from omniq.events where kind = 'rescued'";
    assert_eq!(number(&witness, rescued).await, 1000, "the log tells of it");
    assert_eq!(number(&witness, "select count(*) from omniq.workers").await, 2, "the dead one is struck off");
    backend.close().await.unwrap();
}
