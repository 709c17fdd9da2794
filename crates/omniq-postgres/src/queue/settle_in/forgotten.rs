//! Tests: claims that transactions of the user have ended are forgotten, and no others.

use omniq_core::*;
use omniq_testkit::TestDb;

use crate::AsyncPostgresQueue;
use crate::queue::claim_tracker::MANY;

/// Otherwise the memory of a program that settles all its tasks in its own transactions would grow for ever.
#[tokio::test]
async fn claims_that_transactions_have_ended_are_forgotten_and_those_of_a_rollback_are_released() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let mut client = db.client().await;
    let (mut most, mut rolled_back) = (0, 0);
    for round in 0..30 {
        queue.enqueue_many(vec![NewTask::new("f", &()).unwrap(); 100]).await.unwrap();
        let held = queue.dequeue_many(Dequeue::from(["default"]).limit(100)).await.unwrap();
        let mut transaction = client.transaction().await.unwrap();
        queue.complete_many_in(&mut transaction, &held).await.unwrap();
        if round % 10 == 0 {
            transaction.rollback().await.unwrap();
            rolled_back += held.len();
        } else {
            transaction.commit().await.unwrap();
        }
        most = most.max(queue.inner.claims.tracker.known());
    }
    assert!(most <= rolled_back + MANY + 100, "{most} claims are known, {rolled_back} are left");
    assert!(queue.inner.claims.tracker.known() >= rolled_back);
    queue.close().await.unwrap();
    let other = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let ready = TaskFilter { state: Some(TaskState::Ready), ..TaskFilter::default() };
    assert_eq!(other.count(&ready).await.unwrap(), rolled_back as u64);
    let next = other.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    assert_eq!(next.attempt, 1, "what was handed back does not count");
    other.close().await.unwrap();
}
