//! Tests: a claim that resumes finds at once what a statement has brought back to where claims have passed, however the statement ended.

use std::sync::atomic::{AtomicBool, Ordering};

use omniq_core::*;
use omniq_testkit::{Proxy, TestDb, eventually};
use tokio_postgres::Client;

use super::*;
use crate::AsyncPostgresQueue;
use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(20);

fn request() -> Dequeue {
    Dequeue::from(["default"]).resume()
}

/// A worker, and three ready tasks.
async fn with_three(url: &str) -> (AsyncPostgresQueue, WorkerId, Vec<TaskId>) {
    // One connection, by which everything is prepared that was sent before.
    let settings = Settings::builder().url(url).pool_min(1).pool_max(1).build().unwrap();
    let queue = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
    let info = WorkerInfo { lease: Duration::from_secs(60), ..WorkerInfo::new(["default"]) };
    let worker = queue.register_worker(&info).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(queue.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap());
    }
    (queue, worker, ids)
}

async fn next(queue: &AsyncPostgresQueue, worker: WorkerId) -> Task {
    queue.claim(worker, &request()).await.unwrap().pop().expect("a task is ready")
}

/// The next claims resume, as they do once scans have become long.
fn resumes(queue: &AsyncPostgresQueue, worker: WorkerId) {
    let mut workers = queue.inner.claims.cursors.lock();
    let cursor = workers.cursors.get_mut(&worker).expect("it has claimed");
    cursor.scans = Some(Pair { ended: Instant::now(), took: [Duration::from_secs(60); 2] });
    cursor.steps = None;
    assert!(!cursor.positions.is_empty() && !cursor.may_scan());
}

fn settlement(task: &Task, outcome: Outcome) -> Settlement {
    Settlement { task_id: task.id, claim: task.claim, outcome, result: None, events: Vec::new() }
}

async fn waits_for_a_lock(witness: &Client) {
    let sql = "select count(*) from pg_stat_activity
               where datname = current_database() and application_name = 'omniq' and wait_event_type = 'Lock'";
    eventually("it waits for a lock", PATIENCE, async || {
        (witness.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
    })
    .await;
}

/// A session that holds the row of this task.
async fn hold(db: &TestDb, id: TaskId) -> Client {
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
    cursors.claimed(worker, &request(), &first, &[task(8)]);
    cursors.claimed(worker, &request(), &second, &[task(9)]);
    assert!(cursors.from(worker, &request()).is_scan());
    // One that began after it is.
    cursors.claimed(worker, &request(), &begin(), &[task(1)]);
    assert_eq!(cursors.from(worker, &request()).seqs, [Some(1)]);
}

/// Found by a hostile reader: a call that nobody waits for any more brought a task back, and no claim was told.
#[tokio::test]
async fn what_a_dropped_call_brings_back_is_found_when_its_statement_has_ended() {
    let db = TestDb::new().await;
    let (queue, worker, ids) = with_three(&db.url()).await;
    let dead = next(&queue, worker).await;
    queue.fail(&dead, TaskError::new("E", "e")).await.unwrap();
    next(&queue, worker).await;
    let (holder, witness) = (hold(&db, dead.id).await, db.client().await);
    let (retrying, id) = (queue.clone(), dead.id);
    let call = tokio::spawn(async move { retrying.retry(id).await });
    waits_for_a_lock(&witness).await;
    let returns = queue.inner.claims.db.returns.count();
    resumes(&queue, worker);
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    holder.batch_execute("rollback").await.unwrap();
    eventually("its end is noted", PATIENCE, async || {
        (queue.inner.claims.db.returns.count() > returns).then_some(())
    })
    .await;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, TaskState::Ready);
    assert_eq!(next(&queue, worker).await.id, ids[0]);
    queue.close().await.unwrap();
}

/// Found by a hostile reader: the answer of a release was lost, and the released task was passed over.
#[tokio::test]
async fn what_a_settlement_brings_back_is_found_though_its_answer_was_lost() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let (queue, worker, ids) = with_three(&url).await;
    // A statement is sent once the answer is there that it is prepared.
    queue.release(&next(&queue, worker).await).await.unwrap();
    let first = next(&queue, worker).await;
    next(&queue, worker).await;
    let witness = db.client().await;
    proxy.lose_answers(true);
    let (releasing, ended) = (queue.clone(), Arc::new(AtomicBool::new(false)));
    let has_ended = Arc::clone(&ended);
    let call = tokio::spawn(async move {
        let answer = releasing.settle(&[settlement(&first, Outcome::Release)], SettleMode::Each).await;
        has_ended.store(true, Ordering::Relaxed);
        answer
    });
    eventually("it is released", PATIENCE, async || {
        let free = "select worker is null from omniq.tasks where id = $1";
        witness.query_one(free, &[&ids[0].as_uuid()]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    resumes(&queue, worker);
    assert!(!ended.load(Ordering::Relaxed));
    proxy.cut();
    proxy.lose_answers(false);
    assert!(call.await.unwrap().unwrap_err().is_unavailable());
    assert_eq!(next(&queue, worker).await.id, ids[0]);
    queue.close().await.unwrap();
}

/// Found by a hostile reader: the cancel of one task, with events, made claims pass over the other tasks of its segment.
#[tokio::test]
async fn the_others_of_a_segment_are_found_when_one_of_them_was_cancelled() {
    let db = TestDb::new().await;
    let (queue, worker, _) = with_three(&db.url()).await;
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
