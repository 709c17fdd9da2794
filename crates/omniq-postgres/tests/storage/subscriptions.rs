//! A subscription that is made while a task is being added: the task's transaction has looked for listeners before, and notifies none.

use std::time::{Duration, Instant};

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;

const ENQUEUE: &str = "select omniq.enqueue('send')";

#[tokio::test]
async fn c15_a_task_whose_transaction_began_before_the_sleep_ends_it() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let queues = ["default".to_owned()];
    let (mut early, mut late, mut elsewhere) = (db.client().await, db.client().await, db.client().await);
    elsewhere.batch_execute("create table orders (id integer)").await.unwrap();

    let early = early.transaction().await.unwrap();
    early.execute(ENQUEUE, &[]).await.unwrap();
    let elsewhere = elsewhere.transaction().await.unwrap();
    elsewhere.execute("insert into orders values (1)", &[]).await.unwrap();
    let mut bell = queue.subscribe(worker, &queues).await.unwrap();
    // The listener's first connection wakes the subscription once, because it may have missed notifications before.
    bell.wait(Duration::from_millis(300)).await;

    let claimed = queue.claim(worker, &Dequeue::from(["default"])).await.unwrap();
    assert!(claimed.is_empty());
    let committed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        early.commit().await.unwrap();
        Instant::now()
    };
    let slept = async {
        bell.wait(Duration::from_secs(20)).await;
        Instant::now()
    };
    let (committed, woke) = tokio::join!(committed, slept);
    assert!(woke >= committed, "a transaction that is still open is no reason to wake");
    assert!(woke - committed < Duration::from_secs(5), "{:?} after the commit", woke - committed);
    let claimed = queue.claim(worker, &Dequeue::from(["default"])).await.unwrap();
    assert_eq!(claimed.len(), 1);

    // A transaction that writes something else is not waited for, and one that began after the subscription notifies it.
    let sleep = Instant::now();
    let ended = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        elsewhere.commit().await.unwrap();
    };
    tokio::join!(bell.wait(Duration::from_millis(700)), ended);
    assert!(sleep.elapsed() >= Duration::from_millis(700), "woken by nobody after {:?}", sleep.elapsed());
    let late = late.transaction().await.unwrap();
    late.execute(ENQUEUE, &[]).await.unwrap();
    late.commit().await.unwrap();
    let sleep = Instant::now();
    bell.wait(Duration::from_secs(20)).await;
    assert!(sleep.elapsed() < Duration::from_secs(5));
    drop(bell);
    queue.close().await.unwrap();
}
