//! First steps: one task's whole life.
use omniq_core::*;
use omniq_postgres::*;
use omniq_testkit::TestDb;

#[tokio::test]
async fn smoke() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let id = queue.enqueue(NewTask::new("add", &(1, 2)).unwrap()).await.unwrap();
    println!("{:?}", queue.get(id).await.unwrap());
    let task = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    println!("{task:?}");
    println!("{:?}", queue.queues().await.unwrap());
    queue.complete(&task).await.unwrap();
    println!("{:?}", queue.complete(&task).await);
    assert!(queue.get(id).await.unwrap().is_none());
    queue.close().await.unwrap();
    println!("{}", db.sessions().await);
}
