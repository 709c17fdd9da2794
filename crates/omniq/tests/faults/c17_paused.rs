//! C17: a process that stood still for longer than its lease changes nothing when it continues.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::{Process, TestDb, eventually, heavy};

use crate::effects::{self, number, number_is};

const LEASE: &str = "2";
const PATIENCE: Duration = Duration::from_secs(60);

/// Eight runs are frozen with their process. Another process takes over: it has finished four of the tasks and is still running four when
/// the first process continues. By then the time of four of its handlers is over, and four would run for an hour: none of them has an
/// effect, and the process continues under a new lease.
#[tokio::test]
async fn c17_a_process_that_was_paused_leaves_its_tasks_to_others_and_goes_on() {
    let _turn = heavy();
    let db = TestDb::new().await;
    effects::create(&db).await;
    let url = db.url();
    let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
    let mut ids = Vec::new();
    // The argument is how long the handler runs. The clock of a paused process goes on.
    for length in [1_500, 3_600_000] {
        let tasks = (0..4).map(|_| NewTask::new("slow", &length).unwrap()).collect();
        ids.extend(backend.enqueue_many(tasks).await.unwrap());
    }
    let mut all = vec![
        ("url", url.as_str()),
        ("effects", &url),
        ("concurrency", "8"),
        ("lease", LEASE),
        ("queues", "default,own"),
    ];
    let mut paused = Process::start("worker", &all);
    let witness = db.client().await;
    let begun = "select count(*) from effects where kind = 'begun'";
    eventually("all eight run", PATIENCE, async || number_is(&witness, begun, 8).await).await;
    paused.pause();

    all.truncate(4);
    all.push(("waits_for", "go_on"));
    let other = Process::start("worker", &all);
    eventually("others have taken over all", PATIENCE, async || number_is(&witness, begun, 16).await).await;
    let results = "select count(*) from omniq.results";
    eventually("and finished four", PATIENCE, async || number_is(&witness, results, 4).await).await;
    let sql = "select task_id::text, worker, attempt, finished_at::text, xmin::text from omniq.result_segments where queue = 'default' \
               order by task_id";
    let before = witness.query(sql, &[]).await.unwrap();

    paused.resume();
    // It works again: on a queue that no other process serves.
    let own = backend.enqueue(NewTask::new("effect", &1).unwrap().queue("own")).await.unwrap();
    let result = backend.wait(own, PATIENCE).await.unwrap();
    assert_eq!(result.value.unwrap().decode::<u32>().unwrap(), paused.pid());
    assert!(paused.is_alive());
    let after = witness.query(sql, &[]).await.unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "no result was written again");
    let held = "select count(*) from omniq.task_list where attempt = 2 and worker is not null";
    assert_eq!(number(&witness, held).await, 4, "what others run is still theirs");
    let workers = "select count(*) from omniq.workers where ended_at is null";
    assert_eq!(number(&witness, workers).await, 2, "the process has a new lease");

    witness.batch_execute("create table go_on ()").await.unwrap();
    for id in ids {
        let result = backend.wait(id, PATIENCE).await.unwrap();
        assert_eq!((result.attempt, result.value.unwrap().decode::<u32>().unwrap()), (2, other.pid()));
    }
    assert_eq!(number(&witness, begun).await, 16, "no third run");
    // Its handlers were stopped: nothing delays its end.
    paused.terminate();
    assert!(paused.join());
    backend.close().await.unwrap();
}

/// A paused process that dequeues by itself finishes late: each finish is refused, whether another process holds the task or has finished
/// it. Its next dequeue registers it again.
#[tokio::test]
async fn c17_late_finishes_of_a_paused_process_are_refused() {
    let _turn = heavy();
    let db = TestDb::new().await;
    effects::create(&db).await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let tasks = (0..4).map(|i| NewTask::new("any", &i).unwrap().max_retries(9)).collect();
    queue.enqueue_many(tasks).await.unwrap();
    let url = format!("{}?lease={LEASE}", db.url());
    let mut paused = Process::start("bare", &[("url", &url), ("effects", &db.url())]);
    let witness = db.client().await;
    let begun = "select count(*) from effects where kind = 'begun'";
    eventually("it holds all", PATIENCE, async || number_is(&witness, begun, 4).await).await;
    paused.pause();

    // Only workers rescue. This one has no function for the tasks.
    let rescue = Worker::builder(omniq::Backend::new(std::sync::Arc::new(queue.clone())))
        .register("none", |(): (), _: Context| async { Ok::<_, Failure>(()) })
        .build()
        .unwrap();
    let rescuer = rescue.handle();
    let rescue = tokio::spawn(rescue.run());
    let request = Dequeue::from(["default"]).limit(4).timeout(PATIENCE);
    let mut mine = queue.dequeue_many(request.clone()).await.unwrap();
    while mine.len() < 4 {
        mine.extend(queue.dequeue_many(request.clone()).await.unwrap());
    }
    assert!(mine.iter().all(|task| task.attempt == 2 && task.error.as_ref().unwrap().kind == "worker_lost"));
    queue.complete_many(&mine[..2]).await.unwrap();

    witness.batch_execute("create table finish ()").await.unwrap();
    queue.enqueue(NewTask::new("any", &0).unwrap().queue("own")).await.unwrap();
    paused.resume();
    assert!(paused.join(), "it goes on and ends well");
    assert_eq!(number(&witness, "select count(*) from effects where kind = 'refused'").await, 4);
    assert_eq!(number(&witness, "select count(*) from effects where kind = 'done'").await, 1);
    assert_eq!(number(&witness, "select count(*) from omniq.task_list where worker is not null").await, 2);
    queue.complete_many(&mine[2..]).await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    rescuer.stop();
    rescue.await.unwrap().unwrap();
    queue.close().await.unwrap();
}
