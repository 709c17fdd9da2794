//! C18: a cancel that withdraws a task leaves its result and its event, whatever happens to the task at that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use omniq::port::{Outcome, SettleMode, Settlement, WorkerInfo};
use omniq::prelude::*;
use omniq::{Cancelled, Dequeue, EventFilter, ResultStatus, TaskFilter, WorkerId};
use omniq_testkit::TestDb;

use crate::witness::{PATIENCE, full};

const TASKS: i32 = 300;

/// Claims tasks and snoozes them for no time, so that they are by turns running and ready. Returns the worker.
async fn snooze_all(queue: Arc<dyn TaskQueue>, over: Arc<AtomicBool>) -> WorkerId {
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    while !over.load(Ordering::Relaxed) {
        let tasks = queue.claim(worker, &Dequeue::from(["default"]).limit(20)).await.unwrap();
        let snooze = |task: omniq::Task| {
            Settlement::new(task.id, task.claim, Outcome::Snooze { delay: Duration::ZERO })
        };
        queue.settle(&tasks.into_iter().map(snooze).collect::<Vec<_>>(), SettleMode::Each).await.unwrap();
    }
    worker
}

async fn cancelled_events(backend: &AsyncPostgresBackend, id: TaskId) -> u64 {
    let filter =
        EventFilter { task_id: Some(id), kind: Some("cancelled".parse().unwrap()), ..EventFilter::default() };
    backend.events().unwrap().count(&filter).await.unwrap()
}

/// Issue 12, C12: 949 of 1,162 were withdrawn without a record.
#[tokio::test]
async fn c18_a_cancel_beside_snoozes_leaves_a_result_and_an_event() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let tasks = (0..TASKS).map(|number| NewTask::new("f", &number).unwrap()).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let snoozers: Vec<_> =
        (0..2).map(|_| tokio::spawn(snooze_all(backend.queue().clone(), over.clone()))).collect();
    let answers: Vec<Cancelled> =
        stream::iter(&ids).map(|id| backend.cancel(*id)).buffered(6).map(Result::unwrap).collect().await;
    over.store(true, Ordering::Relaxed);
    let mut workers = Vec::new();
    for snoozer in snoozers {
        workers.push(snoozer.await.unwrap());
    }
    assert!(answers.contains(&Cancelled::Done) && !answers.contains(&Cancelled::NotFound), "{answers:?}");
    for (id, answer) in ids.iter().zip(answers) {
        let there = backend.queue().get(*id).await.unwrap().is_some();
        assert_eq!(there, answer == Cancelled::Requested);
        let result = backend.result(*id).await.unwrap().map(|result| result.status);
        assert_eq!(result, (!there).then_some(ResultStatus::Cancelled));
        assert_eq!(cancelled_events(&backend, *id).await, u64::from(!there));
    }
    // What a worker was asked to stop does not stay when it leaves.
    for worker in workers {
        backend.queue().deregister_worker(worker).await.unwrap();
    }
    assert_eq!(backend.queue().count(&TaskFilter::default()).await.unwrap(), 0);
    backend.close().await.unwrap();
}

/// Another session has locked rows of waiting tasks, a row of one task and one of several: their cancels wait for it,
/// and the cancel of a free task does not.
#[tokio::test]
async fn c18_a_cancel_waits_for_rows_that_another_session_holds() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let task = || NewTask::new("f", &1).unwrap();
    let free = backend.enqueue(task()).await.unwrap();
    let alone = backend.enqueue(task()).await.unwrap();
    let several = backend.enqueue_many(vec![task(); 3]).await.unwrap();
    let named = [free, alone, several[1]];
    let holder = db.client().await;
    holder.batch_execute("begin").await.unwrap();
    let hold = "select from omniq.tasks where id <> $1 for update";
    assert_eq!(holder.query(hold, &[&free.as_uuid()]).await.unwrap().len(), 2);

    let cancelling = {
        let backend = backend.clone();
        tokio::spawn(async move { backend.cancel_many(&named).await })
    };
    assert_eq!(backend.wait(free, PATIENCE).await.unwrap().status, ResultStatus::Cancelled);
    tokio::time::sleep(Duration::from_secs(3)).await;
    if cancelling.is_finished() {
        panic!("it waits for the lock: {:?}", cancelling.await);
    }
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(cancelling.await.unwrap().unwrap(), [Cancelled::Done; 3]);
    for id in named {
        assert_eq!(backend.result(id).await.unwrap().unwrap().status, ResultStatus::Cancelled);
        assert_eq!(cancelled_events(&backend, id).await, 1);
    }
    assert_eq!(backend.queue().count(&TaskFilter::default()).await.unwrap(), 2);
    backend.close().await.unwrap();
}
