//! Tests: a claim that resumes finds at once what a verb has brought back to where claims have passed.

use omniq_core::*;
use omniq_testkit::{TestDb, eventually};
use tokio::sync::{Semaphore, mpsc};
use tokio_postgres::Client;

use super::*;
use crate::AsyncPostgresQueue;
use crate::settings::Settings;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

fn request() -> Dequeue {
    Dequeue::from(["default"]).resume()
}

/// A worker, and three ready tasks.
pub(super) async fn with_three(url: &str, connections: usize) -> (AsyncPostgresQueue, WorkerId, Vec<TaskId>) {
    let settings = Settings::builder().url(url).pool_min(connections).pool_max(connections);
    let queue = AsyncPostgresQueue::with_settings(&settings.build().unwrap()).await.unwrap();
    let info = WorkerInfo { lease: Duration::from_secs(60), ..WorkerInfo::new(["default"]) };
    let worker = queue.register_worker(&info).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(queue.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap());
    }
    (queue, worker, ids)
}

pub(super) async fn next(queue: &AsyncPostgresQueue, worker: WorkerId) -> Task {
    queue.claim(worker, &request()).await.unwrap().pop().expect("a task is ready")
}

/// The next claims resume, as they do once scans have become long, and none scans for the length of a test.
pub(super) fn resumes(queue: &AsyncPostgresQueue, worker: WorkerId) {
    let mut workers = queue.inner.claims.cursors.lock();
    let cursor = workers.cursors.get_mut(&worker).expect("it has claimed");
    let took = Duration::from_secs(60);
    cursor.scans = Some(Pair { ended: Instant::now() + took, took: [took; 2] });
    cursor.steps = None;
    assert!(!cursor.positions.is_empty() && !cursor.may_scan());
}

/// A session that holds the row of this task.
pub(super) async fn hold(db: &TestDb, id: TaskId) -> Client {
    let client = db.client().await;
    client.batch_execute("begin").await.unwrap();
    let hold = "select from omniq.tasks where id = $1 for update";
    assert_eq!(client.query(hold, &[&id.as_uuid()]).await.unwrap().len(), 1);
    client
}

/// Found by a hostile reader: the second answer of two claims in flight put back a position from before the return.
#[test]
fn the_position_of_a_claim_that_began_before_a_return_is_not_kept() {
    let (cursors, worker) = (Cursors::default(), WorkerId(7));
    let task =
        |seq| Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), seq, jiff::Timestamp::now());
    // Each takes long enough that the next claim would resume.
    let begin = || {
        let mut from = cursors.from(worker, &request());
        from.begun -= Duration::from_secs(10);
        from
    };
    let (first, second) = (begin(), begin());
    cursors.returns.note();
    cursors.claimed(worker, &request(), &first, &[task(8)], 1);
    cursors.claimed(worker, &request(), &second, &[task(9)], 1);
    assert!(cursors.from(worker, &request()).is_scan());
    // That of a claim that began after it is.
    cursors.claimed(worker, &request(), &begin(), &[task(1)], 1);
    assert_eq!(cursors.from(worker, &request()).seqs, [Some(1)]);
}

/// Found by a hostile reader: the cancel of one task, with events, made claims pass over the other tasks of its segment.
#[tokio::test]
async fn the_others_of_a_segment_are_found_when_one_of_them_was_cancelled() {
    let db = TestDb::new().await;
    let (queue, worker, _) = with_three(&db.url(), 2).await;
    queue.purge(&TaskFilter::default()).await.unwrap();
    let task = || NewTask::new("f", &()).unwrap();
    let segment = queue.enqueue_many(vec![task(); 3]).await.unwrap();
    let single = queue.enqueue(task()).await.unwrap();
    queue.enqueue(task()).await.unwrap();
    // In place of the cancel, whose lock is too short for a test.
    let holder = hold(&db, segment[0]).await;
    assert_eq!(next(&queue, worker).await.id, single);
    holder.batch_execute("rollback").await.unwrap();
    resumes(&queue, worker);
    let backend = Backend::new(Arc::new(queue.clone())).with_events(Arc::new(MemoryEventStorage::new()));
    assert_eq!(backend.cancel(segment[1]).await.unwrap(), Cancelled::Done);
    assert_eq!(next(&queue, worker).await.id, segment[0]);
    queue.close().await.unwrap();
}

/// Found by a hostile reader: without what `settle` says of its outcomes no test failed.
#[tokio::test]
async fn what_each_verb_brings_back_is_found_at_once() {
    let db = TestDb::new().await;
    let (queue, worker, _) = with_three(&db.url(), 2).await;
    let task = || NewTask::new("f", &()).unwrap();
    let (hour, delay) = (Duration::from_secs(3_600), Duration::ZERO);
    for verb in ["release", "retry later", "snooze", "retry", "run_at", "priority", "queue"] {
        queue.purge(&TaskFilter::default()).await.unwrap();
        let first = match verb {
            "run_at" => task().delay(hour),
            "priority" => task().priority(-1),
            "queue" => task().queue("another"),
            _ => task(),
        };
        let id = queue.enqueue(first).await.unwrap();
        let is_claimed = ["release", "retry later", "snooze", "retry"].contains(&verb);
        let held = if is_claimed { Some(next(&queue, worker).await) } else { None };
        if verb == "retry" {
            queue.fail(held.as_ref().unwrap(), TaskError::new("E", "e")).await.unwrap();
        }
        let passed = queue.enqueue(task()).await.unwrap();
        queue.enqueue(task()).await.unwrap();
        assert_eq!(next(&queue, worker).await.id, passed);
        resumes(&queue, worker);
        match (verb, held) {
            ("release", Some(held)) => queue.release(&held).await.unwrap(),
            ("retry later", Some(held)) => queue.retry_later(&held, delay, None).await.unwrap(),
            ("snooze", Some(held)) => queue.snooze(&held, delay).await.unwrap(),
            ("retry", _) => queue.retry(id).await.unwrap(),
            (verb, _) => {
                let change = match verb {
                    "run_at" => TaskUpdate { run_at: Some(jiff::Timestamp::now()), ..TaskUpdate::default() },
                    "priority" => TaskUpdate { priority: Some(0), ..TaskUpdate::default() },
                    _ => TaskUpdate { queue: Some("default".into()), ..TaskUpdate::default() },
                };
                queue.update(id, change).await.map(drop).unwrap();
            }
        }
        assert_eq!(next(&queue, worker).await.id, id, "after {verb}");
    }
    queue.close().await.unwrap();
}

/// A worker with enough to do, whose claims resume, runs a task that was brought back before most of the others.
#[tokio::test]
async fn a_running_worker_gets_what_a_verb_brings_back() {
    let db = TestDb::new().await;
    let (queue, worker, _) = with_three(&db.url(), 2).await;
    let dead = next(&queue, worker).await;
    queue.fail(&dead, TaskError::new("E", "e")).await.unwrap();
    for _ in 0..60 {
        queue.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap();
    }
    let turns = Arc::new(Semaphore::new(0));
    let (begun, mut runs) = mpsc::unbounded_channel();
    let open = Arc::clone(&turns);
    let running = Worker::builder(Backend::new(Arc::new(queue.clone())))
        .concurrency(1)
        .prefetch(1)
        .register("f", move |(): (), context: Context| {
            let (begun, open) = (begun.clone(), Arc::clone(&open));
            async move {
                begun.send(context.task().id).unwrap();
                open.acquire().await.unwrap().forget();
                Ok::<_, Failure>(())
            }
        })
        .build()
        .unwrap();
    let (handle, running) = (running.handle(), tokio::spawn(running.run()));
    runs.recv().await.unwrap();
    let of_worker = || {
        let workers = queue.inner.claims.cursors.lock();
        workers
            .cursors
            .iter()
            .find(|(id, cursor)| **id != worker && !cursor.positions.is_empty())
            .map(|(id, _)| *id)
    };
    let worker = eventually("it has claimed", PATIENCE, async || of_worker()).await;
    resumes(&queue, worker);
    queue.retry(dead.id).await.unwrap();
    turns.add_permits(20);
    let mut first = Vec::new();
    for _ in 0..20 {
        first.push(tokio::time::timeout(PATIENCE, runs.recv()).await.unwrap().unwrap());
    }
    assert!(first.contains(&dead.id));
    turns.add_permits(100);
    handle.stop();
    running.await.unwrap().unwrap();
    queue.close().await.unwrap();
}
