//! Data that changes often stays fast to read while another session holds a snapshot, because of which no dead row can be removed.

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;
use tokio_postgres::Client;

/// The number of pages that a statement reads once everything is cached.
async fn pages(client: &Client, sql: &str) -> i64 {
    let explain = format!("explain (analyze, buffers, format json) {sql}");
    client.query(&explain, &[]).await.unwrap();
    let row = client.query_one(&explain, &[]).await.unwrap();
    let plan: serde_json::Value = row.get(0);
    plan[0]["Plan"]["Shared Hit Blocks"].as_i64().unwrap()
}

#[tokio::test]
async fn c17_thousands_of_heartbeats_do_not_slow_down_leases_and_claims() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let mut reader = db.client().await;
    let held = reader.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let held = held.start().await.unwrap();
    held.query_one("select count(*) from omniq.tasks", &[]).await.unwrap();

    let mut info = WorkerInfo::new(["default"]);
    info.lease = Duration::from_secs(60);
    let worker = queue.register_worker(&info).await.unwrap();
    let mut heartbeats = queue.heartbeat_connection();
    for _ in 0..2_000 {
        assert!(heartbeats.heartbeat(worker, None).await.unwrap().alive);
    }
    let witness = db.client().await;
    witness.batch_execute("set enable_seqscan = off").await.unwrap();
    let beats: i64 = witness.query_one("select count(*) from omniq.heartbeats", &[]).await.unwrap().get(0);
    assert!(beats <= 2, "each beat removes the one before it: {beats}");
    let lease = pages(&witness, &format!("select omniq.lease_end({})", worker.0)).await;
    assert!(lease < 10, "{lease} pages for the end of a lease");
    let lock =
        format!("select from omniq.workers where id = {} and ended_at is null for key share", worker.0);
    let lock = pages(&witness, &lock).await;
    assert!(lock < 10, "{lock} pages to lock a worker's row, as each claim does");
    held.commit().await.unwrap();
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c15_a_thousand_sleeps_do_not_slow_down_enqueues() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let mut reader = db.client().await;
    let held = reader.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let held = held.start().await.unwrap();
    held.query_one("select count(*) from omniq.tasks", &[]).await.unwrap();
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let witness = db.client().await;
    let asleep = "select count(*) from omniq.listeners";
    let are_asleep = async |count: i64| {
        omniq_testkit::eventually("listeners are shown", Duration::from_secs(10), async || {
            (witness.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0) == count).then_some(())
        })
        .await;
    };
    let first = queue.subscribe(worker, &["default".into()]).await.unwrap();
    // From here on there is a listening connection, and the server knows a subscription when it is returned.
    are_asleep(1).await;
    drop(first);
    for _ in 0..1_000 {
        let bell = queue.subscribe(worker, &["default".into()]).await.unwrap();
        drop(bell);
    }
    let bell = queue.subscribe(worker, &["default".into()]).await.unwrap();
    assert_eq!(witness.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0), 1);
    let sleeps = "select omniq.has_listener('default'), omniq.has_listener('another')";
    let row = witness.query_one(sleeps, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (true, false));
    assert_eq!(pages(&witness, sleeps).await, 0, "no table is looked at");
    // A subscription to more queues than are locked by name is notified of any queue.
    let many: Vec<_> = (0..40).map(|n| format!("queue {n}")).collect();
    let all = queue.subscribe(worker, &many).await.unwrap();
    assert!(witness.query_one(sleeps, &[]).await.unwrap().get::<_, bool>(1));
    drop((bell, all));
    are_asleep(0).await;
    held.commit().await.unwrap();
    queue.close().await.unwrap();
}
