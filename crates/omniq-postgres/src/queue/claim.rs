//! The claim, the search for claims whose answer was lost, and the end of a worker.

use deadpool_postgres::Object;
use omniq_core::{
    Dequeue, Error, Outcome, Result, SettleMode, Settled, Settlement, Task, TaskQueue, WorkerId,
};

use super::held::Search;
use super::{AsyncPostgresQueue, uuids};
use crate::db::Param;
use crate::rows;

pub(super) async fn claim(
    queue: &AsyncPostgresQueue,
    worker: WorkerId,
    request: &Dequeue,
) -> Result<Vec<Task>> {
    request.check()?;
    let (db, held) = (queue.db(), &queue.inner.held);
    db.check_open()?;
    if held.is_unsure(worker) {
        let found = adopt(queue, worker).await?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let client = db.client().await?;
    let limit = i32::try_from(request.limit).unwrap_or(i32::MAX);
    let promote: [Param<'_>; 1] = [&request.queues];
    let dequeue: [Param<'_>; 4] = [&request.queues, &limit, &worker.0, &request.funcs];
    let flight = held.take_off(worker).await;
    // What has become due is ready for the claim right behind.
    let answer = db.query_both(&client, (&db.sql.promote, &promote), (&db.sql.dequeue, &dequeue)).await;
    match answer.and_then(|(_, rows)| rows::tasks(&rows)) {
        Ok(tasks) => {
            flight.land(&tasks);
            Ok(tasks)
        }
        Err(error) => {
            if is_refusal(&error) {
                flight.land(&[]);
            }
            Err(error)
        }
    }
}

/// The server answered that it did nothing. Of anything else the outcome is open.
fn is_refusal(error: &Error) -> bool {
    error.is_claim_lost() || error.is_schema_missing() || error.is_permission_denied() || error.is_invalid()
}

/// Tasks that were claimed for this worker although nobody heard of it; they are handed out as any claimed ones. They can
/// be a few more than were asked for.
async fn adopt(queue: &AsyncPostgresQueue, worker: WorkerId) -> Result<Vec<Task>> {
    let client = queue.db().client().await?;
    let search = queue.inner.held.search(worker).await;
    find(queue, &client, &search).await
}

async fn find(queue: &AsyncPostgresQueue, client: &Object, search: &Search<'_>) -> Result<Vec<Task>> {
    let (db, worker) = (queue.db(), search.worker);
    let known = uuids(&search.known());
    let wait: [Param<'_>; 1] = [&worker.0];
    let adopt: [Param<'_>; 2] = [&worker.0, &known];
    let (_, rows) = db.query_both(client, (&db.sql.await_claims, &wait), (&db.sql.adopt, &adopt)).await?;
    let tasks = rows::tasks(&rows)?;
    if !tasks.is_empty() {
        tracing::info!(%worker, count = tasks.len(), "took up tasks whose claim was carried out unheard");
    }
    search.found(&tasks);
    Ok(tasks)
}

/// Hands back all that a worker of this process holds, and removes it; returns how many tasks. On an error the worker
/// stays, and its tasks return when its lease ends.
pub(super) async fn deregister(queue: &AsyncPostgresQueue, worker: WorkerId) -> Result<u64> {
    let (db, held) = (queue.db(), &queue.inner.held);
    let client = db.client().await?;
    // No claim of this process is under way now, and later ones find no worker.
    let search = held.search(worker).await;
    if held.is_unsure(worker) {
        find(queue, &client, &search).await?;
    }
    drop(client);
    let batch = held.take(worker).into_iter().map(|(task_id, claim)| Settlement {
        task_id,
        claim: Some(claim),
        outcome: Outcome::Release,
        result: None,
        events: Vec::new(),
    });
    let answers = queue.settle(batch.collect(), SettleMode::Each).await?;
    db.query(&db.sql.deregister_worker, &[&worker.0]).await?;
    Ok(answers.iter().filter(|answer| **answer == Settled::Done).count() as u64)
}
