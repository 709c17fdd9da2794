//! The claim, the search for claims whose answer was lost, and the end of a worker.

use std::time::Duration;

use omniq_core::{
    Claim, Dequeue, Error, Outcome, Result, SettleMode, Settled, Settlement, Task, TaskId, TaskQueue,
    WorkerId,
};

use super::held::Search;
use super::{AsyncPostgresQueue, fold, handover};
use crate::connection::Object;
use crate::db::Param;
use crate::rows::{self, Columns, RowOf};

/// How often a claim looks again that got nothing although there is something, because others are just taking from the same
/// row, and how long it waits in between, longer from time to time.
const AGAIN: u32 = 8;
const PAUSE: Duration = Duration::from_micros(500);

pub(super) async fn claim(
    queue: &AsyncPostgresQueue,
    worker: WorkerId,
    request: &Dequeue,
) -> Result<Vec<Task>> {
    request.check()?;
    let db = queue.db();
    for round in 1.. {
        let tasks = claim_once(queue, worker, request).await?;
        if !tasks.is_empty() || round > AGAIN {
            return Ok(tasks);
        }
        let row = db.one(&db.sql.contended, &[&request.queues, &request.funcs]).await?;
        if !Columns::new(&row).take::<bool>()? {
            break;
        }
        // It may stand before the place where the claim went on.
        queue.inner.cursors.clear();
        tokio::time::sleep(PAUSE * round).await;
    }
    Ok(Vec::new())
}

async fn claim_once(queue: &AsyncPostgresQueue, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
    let (db, held, cursors) = (queue.db(), &queue.inner.held, &queue.inner.cursors);
    db.check_open()?;
    let bounded = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let (limit, slack) = (bounded(request.limit), bounded(request.slack));
    loop {
        let client = db.client().await?;
        let Some(flight) = held.take_off(worker).await else {
            hand_back_unheard(queue, client, &held.search(worker).await).await?;
            continue;
        };
        let from = cursors.from(worker, request);
        let promote: [Param<'_>; 1] = [&request.queues];
        let dequeue: [Param<'_>; 8] = [
            &request.queues,
            &limit,
            &worker.0,
            &request.funcs,
            &flight.epoch,
            &slack,
            &from.priorities,
            &from.seqs,
        ];
        // What has become due is ready for the claim right behind.
        let answer = db.query_both(client, (&db.sql.promote, &promote), (&db.sql.dequeue, &dequeue)).await;
        return match answer.and_then(|(_, rows)| rows::claimed(&rows, &request.queues)) {
            Ok(tasks) => {
                flight.land(&tasks);
                if !tasks.is_empty() {
                    fold::changed(db);
                }
                cursors.claimed(worker, request, &from, &tasks);
                if tasks.is_empty() && !from.is_walk() && cursors.may_walk(worker) {
                    continue;
                }
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

/// Looks for tasks that a worker may hold without knowing it, and hands them back; the next claim tries again what fails here.
pub(super) async fn find_unheard(queue: &AsyncPostgresQueue, worker: WorkerId) {
    let found = async {
        let client = queue.db().client().await?;
        let search = queue.inner.held.search(worker).await;
        if queue.inner.held.is_unsure(worker) {
            hand_back_unheard(queue, client, &search).await
        } else {
            Ok(())
        }
    };
    if let Err(error) = found.await {
        tracing::debug!(%worker, %error, "the search for tasks that were handed over unheard failed");
    }
}

/// Hands back tasks that were claimed for this worker although nobody heard of it; their attempts do not count. The claim that
/// follows takes them again if it asks for such.
async fn hand_back_unheard(queue: &AsyncPostgresQueue, client: Object, search: &Search<'_>) -> Result<()> {
    let (db, worker) = (queue.db(), search.worker);
    let wait: [Param<'_>; 1] = [&worker.0];
    let unheard: [Param<'_>; 1] = [&worker.0];
    let (epoch, rows) =
        db.query_both(client, (&db.sql.await_claims, &wait), (&db.sql.unheard, &unheard)).await?;
    if let Some(row) = epoch.first() {
        search.in_epoch(Columns::new(row).take()?);
    }
    let mut claims = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::new(row);
        let row = RowOf::read(&mut columns)?;
        let claim = Claim { worker, number: columns.take::<i32>()?.cast_unsigned() };
        claims.extend(
            row.tasks().map(|(_, id)| (id, claim)).filter(|(id, claim)| !search.knows(*id, claim.number)),
        );
    }
    if !claims.is_empty() {
        tracing::info!(%worker, count = claims.len(), "handing back tasks whose claim was carried out unheard");
        queue.settle(releases(claims), SettleMode::Each).await?;
    }
    search.is_over();
    Ok(())
}

fn releases(claims: Vec<(TaskId, Claim)>) -> Vec<Settlement> {
    let release = |(task_id, claim)| Settlement {
        task_id,
        claim: Some(claim),
        outcome: Outcome::Release,
        result: None,
        events: Vec::new(),
    };
    claims.into_iter().map(release).collect()
}

/// Hands back all that a worker of this process holds, and removes it; returns how many tasks. On an error the worker
/// stays, and its tasks return when its lease ends.
pub(super) async fn deregister(queue: &AsyncPostgresQueue, worker: WorkerId) -> Result<u64> {
    let (db, held) = (queue.db(), &queue.inner.held);
    handover::end(queue, worker).await;
    // A server that is away is not waited for: the lease ends by itself.
    let client = db.client_within(db.settings().acquire_timeout).await?;
    // No claim of this process is under way now, and later ones find no worker.
    let search = held.search(worker).await;
    if held.is_unsure(worker) {
        hand_back_unheard(queue, client, &search).await?;
    } else {
        drop(client);
    }
    let answers = queue.settle(releases(held.take(worker)), SettleMode::Each).await?;
    queue.inner.cursors.forget(worker);
    db.query(&db.sql.deregister_worker, &[&worker.0]).await?;
    Ok(answers.iter().filter(|answer| **answer == Settled::Done).count() as u64)
}
