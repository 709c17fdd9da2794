//! A call that is dropped while its statement waits for a lock keeps its connection until the statement has ended, or the connection is
//! closed.

use std::time::{Duration, Instant};

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_postgres::settings::Settings;
use omniq_testkit::{TestDb, eventually};
use tokio_postgres::Client;

use super::{PATIENCE, enqueue_each, hold};

/// How long the pool leaves such a connection open.
const GRACE: Duration = Duration::from_secs(1);

async fn queue(db: &TestDb, connections: usize) -> AsyncPostgresQueue {
    let settings = Settings::builder().url(db.url()).pool_min(connections).pool_max(connections);
    AsyncPostgresQueue::with_settings(&settings.build().unwrap()).await.unwrap()
}

async fn three_tasks(queue: &AsyncPostgresQueue) -> Vec<TaskId> {
    enqueue_each(queue, vec![NewTask::new("f", &()).unwrap(); 3]).await
}

/// The number of the queue's sessions in this condition.
async fn sessions(witness: &Client, condition: &str) -> i64 {
    let sql = format!(
        "select count(*) from pg_stat_activity
         where datname = current_database() and application_name = 'omniq' and {condition}"
    );
    witness.query_one(&sql, &[]).await.unwrap().get(0)
}

async fn waits_for_a_lock(witness: &Client) {
    eventually("it waits for a lock", PATIENCE, async || {
        (sessions(witness, "wait_event_type = 'Lock'").await > 0).then_some(())
    })
    .await;
}

/// Drops a call once it waits for a lock.
async fn give_up<T: Send + 'static>(db: &TestDb, call: impl Future<Output = T> + Send + 'static) {
    let (witness, call) = (db.client().await, tokio::spawn(call));
    waits_for_a_lock(&witness).await;
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
}

async fn get(queue: &AsyncPostgresQueue, id: TaskId) {
    let got = tokio::time::timeout(PATIENCE, queue.get(id)).await;
    assert!(got.expect("it waits for a lock of others").unwrap().is_some());
}

/// Drops a delete of the first task, whose row stays locked. Returns the session that holds the lock.
async fn given_up_delete(db: &TestDb, queue: &AsyncPostgresQueue, ids: &[TaskId]) -> Client {
    let (holder, deleting, held) = (hold(db, &ids[..1]).await, queue.clone(), ids[0]);
    give_up(db, async move { deleting.delete(held).await }).await;
    holder
}

#[tokio::test]
async fn other_calls_get_other_connections() {
    let db = TestDb::new().await;
    let queue = queue(&db, 2).await;
    let ids = three_tasks(&queue).await;
    let holder = given_up_delete(&db, &queue, &ids).await;
    let began = Instant::now();
    // Enough calls to use each connection.
    for id in ids.iter().chain(&ids) {
        get(&queue, *id).await;
    }
    assert!(began.elapsed() < GRACE, "they wait for a connection: {:?}", began.elapsed());
    holder.batch_execute("rollback").await.unwrap();
    queue.close().await.unwrap();
}

#[tokio::test]
async fn the_only_connection_is_closed_and_made_again() {
    let db = TestDb::new().await;
    let queue = queue(&db, 1).await;
    let ids = three_tasks(&queue).await;
    let holder = given_up_delete(&db, &queue, &ids).await;
    let began = Instant::now();
    for id in &ids {
        get(&queue, *id).await;
    }
    assert!(began.elapsed() < 5 * GRACE, "{:?}", began.elapsed());
    holder.batch_execute("rollback").await.unwrap();
    queue.close().await.unwrap();
}

/// A purge is a transaction of several round trips: if it is dropped in the middle it is rolled back, whether the lock that it waits for
/// is released at once or when its connection is closed.
#[tokio::test]
async fn a_purge_that_is_given_up_leaves_no_transaction_open() {
    for late in [false, true] {
        let db = TestDb::new().await;
        let (queue, witness) = (queue(&db, 1).await, db.client().await);
        let ids = three_tasks(&queue).await;
        let (holder, purging) = (hold(&db, &ids[..1]).await, queue.clone());
        give_up(&db, async move { purging.purge(&TaskFilter::default()).await }).await;
        if late {
            tokio::time::sleep(2 * GRACE).await;
            get(&queue, ids[0]).await;
        }
        holder.batch_execute("rollback").await.unwrap();
        for id in &ids {
            get(&queue, *id).await;
        }
        eventually("one session is left, in no transaction", PATIENCE, async || {
            let (all, idle) = (sessions(&witness, "true").await, sessions(&witness, "state = 'idle'").await);
            ((all, idle) == (1, 1)).then_some(())
        })
        .await;
        queue.enqueue(NewTask::new("f", &()).unwrap()).await.unwrap();
        assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 4);
        assert_eq!(queue.purge(&TaskFilter::default()).await.unwrap(), 4);
        queue.close().await.unwrap();
    }
}

/// A future can be dropped outside of a runtime, or with its runtime: nothing waits for its statement there, and its connection
/// is closed.
#[test]
fn a_call_that_is_given_up_without_a_runtime_holds_up_no_other() {
    let lasting = tokio::runtime::Runtime::new().unwrap();
    for ends in [false, true] {
        let db = lasting.block_on(TestDb::new());
        let queue = lasting.block_on(queue(&db, 1));
        let ids = lasting.block_on(three_tasks(&queue));
        let (holder, witness) = lasting.block_on(async { (hold(&db, &ids[..1]).await, db.client().await) });
        let (deleting, held) = (queue.clone(), ids[0]);
        let mut deleting = Box::pin(async move { deleting.delete(held).await });
        let passing = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if ends {
            passing.block_on(async move {
                tokio::spawn(deleting);
                waits_for_a_lock(&witness).await;
            });
            drop(passing);
        } else {
            passing.block_on(async {
                tokio::select! {
                    answer = &mut deleting => panic!("it waits for the lock: {answer:?}"),
                    () = waits_for_a_lock(&witness) => {}
                }
            });
            drop(deleting);
        }
        lasting.block_on(async {
            for id in &ids {
                get(&queue, *id).await;
            }
            holder.batch_execute("rollback").await.unwrap();
            queue.close().await.unwrap();
        });
    }
}
