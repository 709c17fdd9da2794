//! Calls beside other sessions: locks that these hold, changes that they make, and calls that were dropped.

mod by_filter;
mod due;
mod given_up;
mod pages;
mod passed_over;

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;
use tokio_postgres::Client;

/// For steps that take moments: only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tasks in rows of their own.
async fn enqueue_each(queue: &AsyncPostgresQueue, tasks: Vec<NewTask>) -> Vec<TaskId> {
    let mut ids = Vec::with_capacity(tasks.len());
    for task in tasks {
        ids.push(queue.enqueue(task).await.unwrap());
    }
    ids
}

/// A session that holds the rows of these tasks until it ends its transaction.
async fn hold(db: &TestDb, ids: &[TaskId]) -> Client {
    let client = db.client().await;
    client.batch_execute("begin").await.unwrap();
    let ids: Vec<_> = ids.iter().map(TaskId::as_uuid).collect();
    // The lock of an update by SQL.
    let hold = "select from omniq.tasks where id = any ($1) for no key update";
    assert_eq!(client.query(hold, &[&ids]).await.unwrap().len(), ids.len());
    client
}
