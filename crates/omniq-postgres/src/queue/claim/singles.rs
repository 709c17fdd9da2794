//! Test: claims of a worker that finds only rows of one task, and what makes it look for segments again.

use std::time::Duration;

use omniq_core::*;
use omniq_testkit::TestDb;

use crate::AsyncPostgresQueue;

async fn add(queue: &AsyncPostgresQueue, number: i64, priority: i16) {
    queue.enqueue(NewTask::new("f", &number).unwrap().priority(priority)).await.unwrap();
}

fn numbers(tasks: &[Task]) -> Vec<i64> {
    tasks.iter().map(|task| task.payload.decode().unwrap()).collect()
}

/// Which claims this server has been sent since the last call.
async fn sent(db: &TestDb) -> Vec<String> {
    let client = db.client().await;
    let seen = "select substring(query from 'omniq: (dequeue\\w*)') from pg_stat_activity
                where datname = current_database() and query like '-- omniq: dequeue%'";
    client.query(seen, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn claims_of_single_rows_keep_the_order_the_counts_and_the_segments() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    for number in 0..6 {
        add(&queue, number, 0).await;
    }
    add(&queue, 6, 1).await;
    let segment = (10..13).map(|number| NewTask::new("f", &number).unwrap().priority(-1)).collect();
    queue.enqueue_many(segment).await.unwrap();
    add(&queue, 20, -2).await;
    let info = WorkerInfo { lease: Duration::from_secs(60), ..WorkerInfo::new(["default"]) };
    let worker = queue.register_worker(&info).await.unwrap();

    let mut found = Vec::new();
    for (limit, wanted, claim) in [
        (3, &[6, 0, 1][..], "dequeue"),
        (2, &[2, 3], "dequeue_singles"),
        (2, &[4, 5], "dequeue_singles"),
        // The next row is a segment: a slice of it.
        (2, &[10, 11], "dequeue"),
        (1, &[12], "dequeue"),
        // That was a row of one task by then. Less than it wants:
        (2, &[20], "dequeue_singles"),
        (2, &[], ""),
    ] {
        let request = Dequeue::from(["default"]).limit(limit).resume();
        let claimed = queue.claim(worker, &request).await.unwrap();
        assert_eq!(numbers(&claimed), wanted, "with limit {limit}");
        assert!(wanted.is_empty() || sent(&db).await.contains(&claim.to_owned()), "{claim} for {wanted:?}");
        found.extend(claimed);
    }
    assert!(found.iter().all(|task| task.attempt == 1 && task.claim.is_some()));
    let stats = queue.queues().await.unwrap();
    assert_eq!((stats[0].ready, stats[0].running), (0, 11));

    // A paused queue and a lost worker are seen by this claim as well.
    for number in 30..34 {
        add(&queue, number, 0).await;
    }
    let one = Dequeue::from(["default"]).resume();
    assert_eq!(numbers(&queue.claim(worker, &one).await.unwrap()), [30]);
    queue.pause("default").await.unwrap();
    assert_eq!(queue.claim(worker, &one).await.unwrap(), []);
    queue.resume("default").await.unwrap();
    assert_eq!(numbers(&queue.claim(worker, &one).await.unwrap()), [31]);
    db.client().await.batch_execute("update omniq.workers set ended_at = now()").await.unwrap();
    assert!(queue.claim(worker, &one).await.unwrap_err().is_claim_lost());
    queue.close().await.unwrap();
}
