//! Issue 12, C14: many callers on one object, fewer connections than callers, and answers that are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::{Proxy, TestDb};

const TASKS: u32 = 200;
const CALLERS: u32 = 8;
/// Shorter than the wait for a connection of the pool, far longer than anything else takes.
const STANDSTILL: Duration = Duration::from_secs(15);

/// Dequeues and completes until all tasks are done, whatever fails in between.
async fn call(queue: AsyncPostgresQueue, done: Arc<AtomicU32>) {
    while done.load(Ordering::SeqCst) < TASKS {
        let request = Dequeue::from(["default"]).timeout(Duration::from_millis(50));
        let Ok(Some(task)) = queue.dequeue(request).await else { continue };
        loop {
            match queue.complete(&task).await {
                // Carried out by an attempt whose answer was lost, or released as an orphaned claim.
                Err(error) if error.is_claim_lost() => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                Ok(()) => break,
            }
        }
        if matches!(queue.get(task.id).await, Ok(None)) {
            done.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_waits_for_a_connection_that_another_one_holds_for_it() {
    for pool in [1, 2] {
        let db = TestDb::new().await;
        let (proxy, through) = Proxy::in_front_of(&db.url()).await;
        let witness = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
        let queue =
            AsyncPostgresQueue::connect(&format!("{through}?pool_max={pool}&pool_min=1")).await.unwrap();
        for i in 0..TASKS {
            witness.enqueue(NewTask::new("f", &i).unwrap()).await.unwrap();
        }
        let done = Arc::new(AtomicU32::new(0));
        let callers: Vec<_> =
            (0..CALLERS).map(|_| tokio::spawn(call(queue.clone(), Arc::clone(&done)))).collect();
        let begun = Instant::now();
        let (mut least, mut since) = (u64::from(TASKS), begun);
        while least > 0 {
            proxy.lose_answers(true);
            tokio::time::sleep(Duration::from_millis(20)).await;
            proxy.cut();
            proxy.lose_answers(false);
            tokio::time::sleep(Duration::from_millis(150)).await;
            let left = witness.count(&TaskFilter::default()).await.unwrap();
            if left < least {
                (least, since) = (left, Instant::now());
            }
            assert!(
                since.elapsed() < STANDSTILL,
                "pool of {pool}: {left} are left for {:?}",
                since.elapsed()
            );
        }
        callers.iter().for_each(tokio::task::JoinHandle::abort);
        queue.close().await.unwrap();
        witness.close().await.unwrap();
    }
}
