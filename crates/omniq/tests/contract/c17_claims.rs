//! C17: a claim whose answer is lost loses no task.

use std::collections::HashSet;
use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::{Proxy, TestDb, eventually};

use crate::witness::{PATIENCE, echo_worker, number};

const TASKS: usize = 200;

async fn setup() -> (TestDb, Proxy, AsyncPostgresQueue) {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let queue = AsyncPostgresQueue::connect(&url).await.unwrap();
    let tasks = (0..TASKS).map(|i| NewTask::new("any", &i).unwrap()).collect();
    queue.enqueue_many(tasks).await.unwrap();
    (db, proxy, queue)
}

/// Takes the tasks that are left, each once.
async fn drain(queue: &AsyncPostgresQueue, seen: &mut HashSet<TaskId>) {
    let request = Dequeue::from(["default"]).limit(7);
    loop {
        let tasks = queue.dequeue_many(request.clone()).await.unwrap();
        assert!(tasks.len() <= 7);
        if tasks.is_empty() {
            return;
        }
        queue.complete_many(&tasks).await.unwrap();
        for task in tasks {
            assert!(seen.insert(task.id), "{task:?} came twice");
        }
    }
}

/// Dequeues are dropped at any moment of their round trip. Later dequeues of the same object return what they had claimed.
#[tokio::test]
async fn c17_what_a_cancelled_dequeue_had_claimed_comes_with_a_later_one() {
    let (db, proxy, queue) = setup().await;
    assert!(queue.dequeue(Dequeue::from(["empty"])).await.unwrap().is_none());
    proxy.delay(Duration::from_millis(2));
    let mut seen = HashSet::new();
    for i in 0..60_u64 {
        let call = queue.dequeue_many(Dequeue::from(["default"]).limit(2));
        if let Ok(tasks) = tokio::time::timeout(Duration::from_micros(i * 200), call).await {
            let tasks = tasks.unwrap();
            queue.complete_many(&tasks).await.unwrap();
            tasks.iter().for_each(|task| assert!(seen.insert(task.id), "{task:?} came twice"));
        }
    }
    proxy.delay(Duration::ZERO);
    drain(&queue, &mut seen).await;
    assert_eq!(seen.len(), TASKS);
    assert_eq!(number(&db.client().await, "select count(*) from omniq.tasks").await, 0);
    queue.close().await.unwrap();
}

/// The connection breaks after the claim and before its answer.
#[tokio::test]
async fn c17_what_was_claimed_over_a_broken_connection_comes_with_a_later_dequeue() {
    let (db, proxy, queue) = setup().await;
    let mut seen = HashSet::new();
    let witness = db.client().await;
    let (mut broken, mut came) = (0, Vec::new());
    for i in 0..40_u64 {
        // The worker is registered and its connection open: what is cut is the claim.
        eventually("a dequeue works", PATIENCE, async || {
            let task = queue.dequeue(Dequeue::from(["empty"])).await.ok()?;
            assert!(task.is_none(), "{task:?} is of another queue");
            Some(())
        })
        .await;
        proxy.delay(Duration::from_millis(3));
        let call = queue.dequeue_many(Dequeue::from(["default"]).limit(2));
        let cut = async {
            tokio::time::sleep(Duration::from_micros(3_000 + i * 150)).await;
            proxy.cut();
        };
        let (answer, ()) = tokio::join!(call, cut);
        proxy.delay(Duration::ZERO);
        match answer {
            Ok(tasks) => {
                // Completed later, over another connection: the claims are still valid.
                assert!(tasks.iter().all(|task| task.attempt == 1 && seen.insert(task.id)), "{tasks:?}");
                came.extend(tasks);
            }
            Err(error) => {
                assert!(error.is_unavailable(), "{error:?}");
                broken += 1;
            }
        }
    }
    assert!(broken > 10);
    println!("{broken} dequeues broke, {} tasks came", came.len());
    // The last cut may show only when the connection is used.
    eventually("a dequeue works", PATIENCE, async || queue.dequeue(Dequeue::from(["empty"])).await.ok())
        .await;
    queue.complete_many(&came).await.unwrap();
    // There is no orphaned claim left once the next dequeue has searched for them.
    assert!(queue.dequeue(Dequeue::from(["empty"])).await.unwrap().is_none());
    assert_eq!(number(&witness, "select count(*) from omniq.task_list where worker is not null").await, 0);
    drain(&queue, &mut seen).await;
    assert_eq!(seen.len(), TASKS);
    queue.close().await.unwrap();
}

/// No dequeue follows: the close releases the orphaned claims.
#[tokio::test]
async fn c17_claims_without_a_caller_are_released_by_close() {
    let (db, proxy, queue) = setup().await;
    let other = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    // The worker is registered and its connection open.
    assert!(queue.dequeue(Dequeue::from(["empty"])).await.unwrap().is_none());
    proxy.delay(Duration::from_millis(20));
    let call = queue.dequeue_many(Dequeue::from(["default"]).limit(100));
    assert!(tokio::time::timeout(Duration::from_millis(30), call).await.is_err());
    proxy.delay(Duration::ZERO);
    let witness = db.client().await;
    let claimed = "select count(*) from omniq.task_list where worker is not null";
    eventually("the claim is carried out", PATIENCE, async || {
        (number(&witness, claimed).await == 100).then_some(())
    })
    .await;
    queue.close().await.unwrap();
    let mut seen = HashSet::new();
    drain(&other, &mut seen).await;
    assert_eq!(seen.len(), TASKS);
    other.close().await.unwrap();
}

/// The setting holds for workers as well as for plain dequeues.
#[tokio::test]
async fn c17_the_lease_of_the_settings_holds_for_workers() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&format!("{}?lease=2.5", db.url())).await.unwrap();
    let worker = echo_worker(&backend);
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    assert!(backend.queue().dequeue(Dequeue::from(["empty"])).await.unwrap().is_none());
    let witness = db.client().await;
    let set = "select count(*) from omniq.workers where lease = '2.5 seconds'";
    eventually("both have it", PATIENCE, async || (number(&witness, set).await == 2).then_some(())).await;
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// Many tasks are held by an orphaned claim, and are then dequeued one by one: each call returns one, and none is lost.
#[tokio::test]
async fn c17_what_was_claimed_unheard_can_be_taken_one_by_one() {
    let (_db, proxy, queue) = setup().await;
    assert!(queue.dequeue(Dequeue::from(["empty"])).await.unwrap().is_none());
    proxy.delay(Duration::from_millis(20));
    let call = queue.dequeue_many(Dequeue::from(["default"]).limit(50));
    assert!(tokio::time::timeout(Duration::from_millis(30), call).await.is_err());
    proxy.delay(Duration::ZERO);
    let mut seen = HashSet::new();
    while let Some(task) = queue.dequeue(Dequeue::from(["default"])).await.unwrap() {
        assert!(seen.insert(task.id), "{task:?} came twice");
        queue.complete(&task).await.unwrap();
    }
    assert_eq!(seen.len(), TASKS);
    queue.close().await.unwrap();
}

/// A claim that is stuck in the network takes nothing when it arrives: its caller is gone, and the worker has searched for orphaned claims
/// since.
#[tokio::test]
async fn c17_a_claim_that_arrives_late_takes_nothing() {
    let (db, proxy, queue) = setup().await;
    assert!(queue.dequeue(Dequeue::from(["empty"])).await.unwrap().is_none());
    proxy.hold_open_ones(true);
    let call = queue.dequeue_many(Dequeue::from(["default"]).limit(50));
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    // Takes the connection on which the claim is stuck, so that the next call gets another one.
    let behind = tokio::spawn({
        let queue = queue.clone();
        async move { queue.queues().await }
    });
    tokio::task::yield_now().await;
    let mut seen = HashSet::new();
    let tasks = queue.dequeue_many(Dequeue::from(["default"]).limit(100)).await.unwrap();
    queue.complete_many(&tasks).await.unwrap();
    seen.extend(tasks.iter().map(|task| task.id));
    assert_eq!(seen.len(), 100);
    proxy.hold_open_ones(false);
    behind.await.unwrap().unwrap();
    drain(&queue, &mut seen).await;
    assert_eq!(seen.len(), TASKS);
    assert_eq!(number(&db.client().await, "select count(*) from omniq.tasks").await, 0);
    queue.close().await.unwrap();
}
