//! Rescue and expiry list a limited number of tasks at a time: rows that others have locked, in whatever mode, do not block other rows.

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;

use super::{enqueue_each, hold};

fn task() -> NewTask {
    NewTask::new("f", &()).unwrap()
}

#[tokio::test]
async fn tasks_of_lost_workers_are_found_beyond_rows_that_others_hold() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let ids = enqueue_each(&queue, vec![task(); 4]).await;
    let info = WorkerInfo { lease: Duration::from_millis(100), ..WorkerInfo::new(["default"]) };
    let worker = queue.register_worker(&info).await.unwrap();
    assert_eq!(queue.claim(worker, &Dequeue::from(["default"]).limit(4)).await.unwrap().len(), 4);
    let holder = hold(&db, &ids[..3]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lost = async |limit| {
        let lost = queue.lost(limit).await.unwrap().into_iter();
        lost.map(|lost| lost.task.id).collect::<Vec<_>>()
    };
    assert_eq!(lost(3).await, [ids[3]]);
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(lost(4).await.len(), 4);
    queue.close().await.unwrap();
}

#[tokio::test]
async fn expired_tasks_are_found_beyond_rows_that_others_hold() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let ids = enqueue_each(&queue, vec![task().ttl(Duration::from_millis(1)); 4]).await;
    let holder = hold(&db, &ids[..3]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let expired = async |limit| {
        let expired = queue.expired(limit).await.unwrap().into_iter();
        expired.map(|task| task.id).collect::<Vec<_>>()
    };
    assert_eq!(expired(3).await, [ids[3]]);
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(expired(4).await, ids);
    queue.close().await.unwrap();
}
