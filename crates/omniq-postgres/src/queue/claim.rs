//! The claim, the search for claims whose answer was lost, and the end of a worker.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::{
    Claim, Dequeue, Error, Outcome, Result, SettleMode, Settled, Settlement, Task, TaskId, TaskQueue,
    WorkerId,
};

use super::held::Search;
use super::{AsyncPostgresQueue, fold, handover};
use crate::db::Param;
use crate::rows::{self, Columns, RowOf};

/// How often a claim looks again that got nothing although there is something, because others are just taking from the same
/// row, and how long it waits in between, longer from time to time.
const AGAIN: u32 = 8;
const PAUSE: Duration = Duration::from_micros(500);
/// How often it is tried to hand back what others hold.
const LATER: Duration = Duration::from_secs(1);

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
        // In this order: whoever waits for others of this process must not keep a connection from them.
        let Some(mut flight) = held.take_off(worker).await else {
            hand_back_unheard(queue, &held.search(worker).await).await?;
            continue;
        };
        let client = db.client().await?;
        flight.sent();
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
        let [promoted, claimed] =
            db.query_both(client, [(&db.sql.promote, &promote), (&db.sql.dequeue, &dequeue)]).await;
        return match claimed.and_then(|rows| rows::claimed(&rows, &request.queues)) {
            Ok(tasks) => {
                flight.land(&tasks);
                if let Err(error) = promoted {
                    // What was claimed is held, whatever became of the rest.
                    if tasks.is_empty() {
                        return Err(error);
                    }
                    tracing::warn!(%error, "tasks that are due could not be made ready");
                }
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
    let search = queue.inner.held.search(worker).await;
    if let Err(error) = hand_back_unheard(queue, &search).await {
        tracing::debug!(%worker, %error, "the search for tasks that were handed over unheard failed");
    }
}

/// Hands back tasks that were claimed for this worker although nobody heard of it; their attempts do not count. The claim that
/// follows takes them again if it asks for such.
async fn hand_back_unheard(queue: &AsyncPostgresQueue, search: &Search<'_>) -> Result<()> {
    if !search.is_needed() {
        return Ok(());
    }
    let (db, worker) = (queue.db(), search.worker);
    let wait: [Param<'_>; 1] = [&worker.0];
    let unheard: [Param<'_>; 1] = [&worker.0];
    // The search holds a lock, so nobody who waits for it may hold a connection: claims take theirs behind it.
    let client = db.client().await?;
    let [epoch, rows] =
        db.query_both(client, [(&db.sql.await_claims, &wait), (&db.sql.unheard, &unheard)]).await;
    let (epoch, rows) = (epoch?, rows?);
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
        let busy = hand_back(queue, claims).await?;
        if !busy.is_empty() {
            search.keep(&busy);
            tokio::spawn(hand_back_later(queue, busy));
        }
    }
    search.is_over();
    Ok(())
}

/// Returns those whose rows others hold.
async fn hand_back(queue: &AsyncPostgresQueue, claims: Vec<(TaskId, Claim)>) -> Result<Vec<(TaskId, Claim)>> {
    let answers = queue.settle(releases(claims.clone()), SettleMode::Each).await?;
    let busy = claims.into_iter().zip(answers).filter(|(_, answer)| *answer == Settled::Busy);
    Ok(busy.map(|(claim, _)| claim).collect())
}

/// Until others let go of their rows; does not keep a queue open that everybody else has forgotten.
fn hand_back_later(
    queue: &AsyncPostgresQueue,
    mut claims: Vec<(TaskId, Claim)>,
) -> impl Future<Output = ()> + use<> {
    let inner = Arc::downgrade(&queue.inner);
    async move {
        while !claims.is_empty() {
            tokio::time::sleep(LATER).await;
            let Some(inner) = inner.upgrade().filter(|inner| !inner.db.is_closed()) else { return };
            if let Ok(busy) = hand_back(&AsyncPostgresQueue { inner }, claims.clone()).await {
                claims = busy;
            }
        }
    }
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
    drop(db.client_within(db.settings().acquire_timeout).await?);
    // No claim of this process is under way now, and later ones find no worker.
    let search = held.search(worker).await;
    hand_back_unheard(queue, &search).await?;
    let answers = queue.settle(releases(held.take(worker)), SettleMode::Each).await?;
    let busy = answers.iter().filter(|answer| **answer == Settled::Busy).count();
    if busy > 0 {
        // Without its worker no rescue would find what it holds.
        return Err(Error::conflict(format!(
            "{busy} tasks of worker {worker} could not be handed back, as other sessions hold their rows by a lock: they come \
             back once the worker's lease has ended"
        )));
    }
    queue.inner.cursors.forget(worker);
    db.query(&db.sql.deregister_worker, &[&worker.0]).await?;
    Ok(answers.iter().filter(|answer| **answer == Settled::Done).count() as u64)
}
