//! The claim, the search for claims whose answer was lost, and the end of a worker.

use deadpool_postgres::Object;
use omniq_core::{
    Dequeue, Error, Outcome, Result, SettleMode, Settled, Settlement, Task, TaskQueue, WorkerId,
};

use super::AsyncPostgresQueue;
use super::held::Search;
use crate::db::Param;
use crate::rows::{self, Columns};

pub(super) async fn claim(
    queue: &AsyncPostgresQueue,
    worker: WorkerId,
    request: &Dequeue,
) -> Result<Vec<Task>> {
    request.check()?;
    let (db, held) = (queue.db(), &queue.inner.held);
    db.check_open()?;
    let limit = i32::try_from(request.limit).unwrap_or(i32::MAX);
    loop {
        let client = db.client().await?;
        let Some(flight) = held.take_off(worker).await else {
            let found = find(queue, client, &held.search(worker).await, limit).await?;
            if found.is_empty() {
                continue;
            }
            return Ok(found);
        };
        let promote: [Param<'_>; 1] = [&request.queues];
        let dequeue: [Param<'_>; 5] = [&request.queues, &limit, &worker.0, &request.funcs, &flight.epoch];
        // What has become due is ready for the claim right behind.
        let answer = db.query_both(client, (&db.sql.promote, &promote), (&db.sql.dequeue, &dequeue)).await;
        return match answer.and_then(|(_, rows)| rows::tasks(&rows)) {
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
        };
    }
}

/// The server answered that it did nothing. Of anything else the outcome is open.
fn is_refusal(error: &Error) -> bool {
    error.is_claim_lost() || error.is_schema_missing() || error.is_permission_denied() || error.is_invalid()
}

/// Tasks that were claimed for this worker although nobody heard of it; they are handed out as any claimed ones.
async fn find(
    queue: &AsyncPostgresQueue,
    client: Object,
    search: &Search<'_>,
    limit: i32,
) -> Result<Vec<Task>> {
    let (db, worker) = (queue.db(), search.worker);
    let (ids, numbers) = search.known();
    let row_limit = i64::from(limit);
    let wait: [Param<'_>; 1] = [&worker.0];
    let adopt: [Param<'_>; 4] = [&worker.0, &ids, &numbers, &row_limit];
    let (epoch, rows) = db.query_both(client, (&db.sql.await_claims, &wait), (&db.sql.adopt, &adopt)).await?;
    let epoch = epoch.first().map(|row| Columns::new(row).take()).transpose()?;
    let tasks = rows::tasks(&rows)?;
    if !tasks.is_empty() {
        tracing::info!(%worker, count = tasks.len(), "took up tasks whose claim was carried out unheard");
    }
    search.found(epoch, &tasks, i32::try_from(tasks.len()).is_ok_and(|count| count >= limit));
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
        find(queue, client, &search, i32::MAX).await?;
    } else {
        drop(client);
    }
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
