//! Tests: what the statement of a call brings back that was dropped, or whose answer was lost, is found by a claim that resumes.

use std::sync::atomic::{AtomicBool, Ordering};

use omniq_core::*;
use omniq_testkit::{Proxy, TestDb, eventually};
use tokio_postgres::Client;

use super::returned::{PATIENCE, hold, next, resumes, with_three};
use super::*;
use crate::AsyncPostgresQueue;

async fn waits_for_a_lock(witness: &Client) {
    let sql = "select count(*) from pg_stat_activity
               where datname = current_database() and application_name = 'omniq' and wait_event_type = 'Lock'";
    eventually("it waits for a lock", PATIENCE, async || {
        (witness.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
    })
    .await;
}

async fn noted_since(queue: &AsyncPostgresQueue, returns: u64) {
    eventually("its end is noted", PATIENCE, async || {
        (queue.inner.claims.db.returns.count() > returns).then_some(())
    })
    .await;
}

/// Found by a hostile reader: a call that was dropped brought a task back, and claims passed it over.
#[tokio::test]
async fn what_a_dropped_call_brings_back_is_found_when_its_statement_has_ended() {
    let db = TestDb::new().await;
    let (queue, worker, ids) = with_three(&db.url(), 2).await;
    let dead = next(&queue, worker).await;
    queue.fail(&dead, TaskError::new("E", "e")).await.unwrap();
    next(&queue, worker).await;
    let (holder, witness) = (hold(&db, dead.id).await, db.client().await);
    let (retrying, id) = (queue.clone(), dead.id);
    let call = tokio::spawn(async move { retrying.retry(id).await });
    waits_for_a_lock(&witness).await;
    let returns = queue.inner.claims.db.returns.count();
    resumes(&queue, worker);
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    holder.batch_execute("rollback").await.unwrap();
    noted_since(&queue, returns).await;
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, TaskState::Ready);
    assert_eq!(next(&queue, worker).await.id, ids[0]);
    queue.close().await.unwrap();
}

/// Found by a hostile reader: the answer of a release was lost, and the released task was passed over.
#[tokio::test]
async fn what_a_settlement_brings_back_is_found_though_its_answer_was_lost() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let (queue, worker, ids) = with_three(&url, 1).await;
    // On the only connection, because a statement is sent once the answer is there that it is prepared.
    queue.release(&next(&queue, worker).await).await.unwrap();
    let first = next(&queue, worker).await;
    next(&queue, worker).await;
    let witness = db.client().await;
    proxy.lose_answers(true);
    let (releasing, ended) = (queue.clone(), Arc::new(AtomicBool::new(false)));
    let has_ended = Arc::clone(&ended);
    let call = tokio::spawn(async move {
        let answer = releasing.release(&first).await;
        has_ended.store(true, Ordering::Relaxed);
        answer
    });
    eventually("it is released", PATIENCE, async || {
        let free = "select worker is null from omniq.tasks where id = $1";
        witness.query_one(free, &[&ids[0].as_uuid()]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    resumes(&queue, worker);
    assert!(!ended.load(Ordering::Relaxed));
    proxy.cut();
    proxy.lose_answers(false);
    assert!(call.await.unwrap().unwrap_err().is_unavailable());
    assert_eq!(next(&queue, worker).await.id, ids[0]);
    queue.close().await.unwrap();
}

/// A purge locks what it removes, so that claims pass over it; if it is undone, the tasks are there again.
#[tokio::test]
async fn what_a_purge_leaves_that_was_given_up_is_found_at_once() {
    let db = TestDb::new().await;
    let (queue, worker, ids) = with_three(&db.url(), 2).await;
    let (holder, witness, purging) = (hold(&db, ids[2]).await, db.client().await, queue.clone());
    let call = tokio::spawn(async move { purging.purge(&TaskFilter::default()).await });
    waits_for_a_lock(&witness).await;
    let later = queue.enqueue_many(vec![NewTask::new("f", &()).unwrap(); 2]).await.unwrap();
    assert_eq!(next(&queue, worker).await.id, later[0]);
    let returns = queue.inner.claims.db.returns.count();
    resumes(&queue, worker);
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    holder.batch_execute("rollback").await.unwrap();
    noted_since(&queue, returns).await;
    assert_eq!(next(&queue, worker).await.id, ids[0]);
    queue.close().await.unwrap();
}
