//! The counts after each verb.

use super::*;

/// Verbs that the random walks of the suite leave out: move to another queue, become due, expire, be purged; alone and in segments.
#[tokio::test]
async fn c19_counts_follow_every_verb() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let witness = db.client().await;
    let one = |figures: [i64; 5], queue: &str| (queue.to_owned(), figures);
    let ids = queue.enqueue_many(tasks(10, "q")).await.unwrap();
    let change = |queue: &str| TaskUpdate { queue: Some(queue.to_owned()), ..TaskUpdate::default() };
    queue.update(ids[4], change("r")).await.unwrap();
    queue.update(ids[4], TaskUpdate { priority: Some(3), ..TaskUpdate::default() }).await.unwrap();
    let expected = [one([9, 0, 0, 0, 0], "q"), one([1, 0, 0, 0, 0], "r")];
    assert_eq!(assert_right(&witness).await, expected);
    let later = TaskUpdate { run_at: Some(jiff::Timestamp::now() + Duration::from_secs(60)), ..change("q") };
    queue.update(ids[4], later).await.unwrap();
    assert_eq!(assert_right(&witness).await, [one([9, 1, 0, 0, 0], "q")]);

    // Due: scheduled tasks become ready at the next claim, which takes some of them.
    let soon = |mut task: NewTask| {
        task.delay = Some(Duration::from_millis(50));
        task
    };
    queue.enqueue_many(tasks(20, "s").into_iter().map(soon).collect()).await.unwrap();
    queue.enqueue(soon(tasks(1, "s").remove(0))).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([0, 21, 0, 0, 0], "s"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let worker = queue.register_worker(&WorkerInfo::new(["s"])).await.unwrap();
    let held = queue.claim(worker, &Dequeue::from(["s"]).limit(3)).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([18, 0, 3, 0, 0], "s"));
    queue.fail(&held[0], TaskError::new("E", "e")).await.unwrap();
    queue.complete(&held[1]).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([18, 1, 1, 0, 0], "s"));
    queue.retry(held[0].id).await.unwrap();
    queue.cancel(held[0].id).await.unwrap();
    let waiting =
        queue.list(&TaskFilter { state: Some(TaskState::Ready), ..TaskFilter::default() }).await.unwrap();
    queue.delete_many(&[waiting[0].id, waiting[12].id]).await.unwrap();
    assert_right(&witness).await;
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(queue.purge(&TaskFilter { queue: name("s"), ..TaskFilter::default() }).await.unwrap(), 17);
    let left = assert_right(&witness).await;
    assert_eq!(left[1], one([0, 0, 1, 0, 0], "s"));
    // Released when its worker leaves.
    queue.deregister_worker(worker).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([1, 0, 0, 0, 0], "s"));

    // Alone in its row.
    witness.query("select omniq.enqueue('f', queue => 'r', delay => '1 hour')", &[]).await.unwrap();
    queue.enqueue(tasks(1, "r").remove(0)).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([1, 1, 0, 0, 0], "r"));
    let worker = queue.register_worker(&WorkerInfo::new(["r"])).await.unwrap();
    let held = queue.claim(worker, &Dequeue::from(["r"]).limit(1)).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([0, 1, 1, 0, 0], "r"));
    queue.complete(&held[0]).await.unwrap();
    assert_eq!(assert_right(&witness).await[1], one([0, 1, 0, 0, 0], "r"));

    // Expired tasks count until they are removed.
    let short = |mut task: NewTask| {
        task.ttl = Some(Duration::from_millis(1));
        task
    };
    queue.enqueue_many(tasks(4, "t").into_iter().map(short).collect()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(assert_right(&witness).await[3], one([4, 0, 0, 0, 0], "t"));
    let expired = queue.expired(10).await.unwrap();
    let outcome = |task: Task| Settlement::new(task.id, None, Outcome::Expire);
    queue.settle(&expired.into_iter().map(outcome).collect::<Vec<_>>(), SettleMode::Each).await.unwrap();
    assert_eq!(assert_right(&witness).await.len(), 3);
    queue.close().await.unwrap();
}

/// Issue 12, E10: a process that neither adds nor claims tasks, and no worker beside it: the number of rows that readers sum stays bounded.
#[tokio::test]
async fn c19_verbs_of_management_have_their_changes_rolled_up() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let witness = db.client().await;
    let ids = queue.enqueue_many(tasks(1_100, "q")).await.unwrap();
    for some in ids.chunks(4) {
        let [first, second, third, fourth] = some else { unreachable!() };
        queue.cancel(*first).await.unwrap();
        queue.delete(*second).await.unwrap();
        queue.update(*third, TaskUpdate { queue: Some("r".into()), ..Default::default() }).await.unwrap();
        queue.retry(*fourth).await.unwrap();
        queue.purge(&TaskFilter { queue: Some("none".into()), ..Default::default() }).await.unwrap();
    }
    let notes = "select count(*) from omniq.count_deltas";
    omniq_testkit::eventually("they are rolled up", Duration::from_secs(30), async || {
        (number(&witness, notes).await < 500).then_some(())
    })
    .await;
    assert_eq!(figures(&witness, "queue_counts").await, figures(&witness, "scanned_counts").await);
    queue.close().await.unwrap();
}

/// Issue 12, E10: the same with purge and prune alone.
#[tokio::test]
async fn c19_purge_and_prune_have_their_changes_rolled_up() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let witness = db.client().await;
    // Not by the queue, because its enqueues count as well.
    witness.query("select omniq.enqueue('f') from generate_series(1, 600)", &[]).await.unwrap();
    let none = TaskFilter { queue: Some("none".into()), ..Default::default() };
    for _ in 0..500 {
        queue.purge(&none).await.unwrap();
        queue.prune(1).await.unwrap();
    }
    omniq_testkit::eventually("they are rolled up", Duration::from_secs(30), async || {
        (number(&witness, "select count(*) from omniq.count_deltas").await < 500).then_some(())
    })
    .await;
    queue.close().await.unwrap();
}
