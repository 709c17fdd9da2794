//! The claim, the search for orphaned claims, and the end of a worker.

#[cfg(test)]
mod singles;

use std::sync::Arc;
use std::time::Duration;

use omniq_core::{
    CancelRequest, Claim, Dequeue, Error, Outcome, Result, SettleMode, Settled, Settlement, Task, TaskId,
    WorkerId,
};

use super::by_id;
use super::claim_tracker::Reconcile;
use super::claims::Claims;
use super::counts;
use super::lost::cancel_requests;
use crate::segments::{SegmentRow, decode};
use crate::sql::{Columns, Named};

/// How often a claim that returned nothing is repeated while there are ready tasks, because other claims hold the same row; and the wait in
/// between, which grows by this each time.
const AGAIN: u32 = 8;
const PAUSE: Duration = Duration::from_micros(500);
/// The wait before tasks whose rows others hold are released again.
const LATER: Duration = Duration::from_secs(1);

impl Claims {
    /// Claims tasks for this worker, without waiting for any to arrive.
    pub(super) async fn claim(self: &Arc<Self>, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        request.check()?;
        for round in 1.. {
            let tasks = self.claim_once(worker, request).await?;
            if !tasks.is_empty() || round > AGAIN {
                return Ok(tasks);
            }
            let row = self
                .db
                .one(&self.db.sql.contended, &[("queues", &request.queues), ("funcs", &request.funcs)])
                .await?;
            if !Columns::new(&row).take::<bool>()? {
                break;
            }
            // The task may stand before the point where the claim resumed.
            self.cursors.forget(worker);
            tokio::time::sleep(PAUSE * round).await;
        }
        Ok(Vec::new())
    }

    async fn claim_once(self: &Arc<Self>, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        let (db, cursors) = (&self.db, &self.cursors);
        db.check_open()?;
        let bounded = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let (limit, overfetch) = (bounded(request.limit), bounded(request.overfetch));
        loop {
            // The guard first: a claim that waits for others of this process must not keep a connection from them.
            let Some(mut guard) = self.tracker.begin(worker).await else {
                self.release_orphaned(&self.tracker.reconcile(worker).await).await?;
                continue;
            };
            let client = db.client().await?;
            guard.sent();
            let from = cursors.from(worker, request);
            let promote: [Named<'_>; 1] = [("queues", &request.queues)];
            let dequeue: [Named<'_>; 8] = [
                ("queues", &request.queues),
                ("limit", &limit),
                ("worker", &worker.0),
                ("funcs", &request.funcs),
                ("epoch", &guard.epoch),
                ("overfetch", &overfetch),
                ("priorities", &from.priorities),
                ("seqs", &from.seqs),
            ];
            let claim = if from.singles { &db.sql.dequeue_singles } else { &db.sql.dequeue };
            // Tasks that have become due are ready for the claim right after.
            let [promoted, claimed] =
                db.query_both(client, [(&db.sql.promote, &promote), (claim, &dequeue)]).await;
            let claimed = claimed.and_then(|rows| Ok((decode::claimed(&rows, &request.queues)?, rows)));
            return match claimed {
                Ok((tasks, rows)) => {
                    guard.answered(&tasks, decode::are_singles(&rows));
                    if let Err(error) = promoted {
                        // What was claimed is held, whether or not the promotion has failed.
                        if tasks.is_empty() {
                            return Err(error);
                        }
                        tracing::warn!(%error, "tasks that are due could not be made ready");
                    }
                    if !tasks.is_empty() {
                        counts::changed(db);
                    }
                    cursors.claimed(worker, request, &from, &tasks, rows.len());
                    if tasks.is_empty() && from.singles {
                        // One of the next rows holds several tasks, or there are none.
                        continue;
                    }
                    if tasks.is_empty() && !from.is_scan() && cursors.may_scan(worker) {
                        continue;
                    }
                    Ok(tasks)
                }
                Err(error) => {
                    if is_refusal(&error) {
                        guard.answered(&[], false);
                    }
                    Err(error)
                }
            };
        }
    }

    /// Looks for orphaned claims of a worker and releases them. The next claim repeats what fails here.
    pub(crate) async fn find_orphaned(self: &Arc<Self>, worker: WorkerId) {
        let reconcile = self.tracker.reconcile(worker).await;
        if let Err(error) = self.release_orphaned(&reconcile).await {
            tracing::debug!(%worker, %error, "the search for orphaned claims failed");
        }
    }

    /// Releases the orphaned claims of a worker; their attempts do not count. The claim that follows may take them again.
    async fn release_orphaned(self: &Arc<Self>, reconcile: &Reconcile<'_>) -> Result<()> {
        if !reconcile.is_needed() {
            return Ok(());
        }
        let (db, worker) = (&self.db, reconcile.worker);
        let params: [Named<'_>; 1] = [("worker", &worker.0)];
        // While this lock is held no claim may hold a connection and wait: claims take theirs after the lock.
        let client = db.client().await?;
        let [epoch, rows] = db
            .query_both(client, [(&db.sql.await_claims, &params), (&db.sql.orphaned_claims, &params)])
            .await;
        let (epoch, rows) = (epoch?, rows?);
        if let Some(row) = epoch.first() {
            reconcile.in_epoch(Columns::new(row).take()?);
        }
        let mut orphaned = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::new(row);
            let row = SegmentRow::read(&mut columns)?;
            let claim = Claim { worker, number: columns.take::<i32>()?.cast_unsigned() };
            orphaned.extend(
                row.tasks()
                    .map(|(_, id)| (id, claim))
                    .filter(|(id, claim)| !reconcile.knows(*id, claim.number)),
            );
        }
        if !orphaned.is_empty() {
            tracing::info!(%worker, count = orphaned.len(), "releasing tasks whose claim was carried out although its answer was lost");
            let busy = self.release(orphaned).await?;
            if !busy.is_empty() {
                reconcile.keep(&busy);
                tokio::spawn(self.release_later(busy));
            }
        }
        reconcile.finish();
        Ok(())
    }

    /// Releases tasks. Returns those whose rows others hold.
    async fn release(&self, claims: Vec<(TaskId, Claim)>) -> Result<Vec<(TaskId, Claim)>> {
        let answers = self.settle(&releases(&claims), SettleMode::Each).await?;
        let busy = claims.into_iter().zip(answers).filter(|(_, answer)| *answer == Settled::Busy);
        Ok(busy.map(|(claim, _)| claim).collect())
    }

    /// Repeats the release until no row is held. Does not keep an unused queue open.
    fn release_later(self: &Arc<Self>, mut claims: Vec<(TaskId, Claim)>) -> impl Future<Output = ()> + use<> {
        let this = Arc::downgrade(self);
        async move {
            while !claims.is_empty() {
                tokio::time::sleep(LATER).await;
                let Some(this) = this.upgrade().filter(|this| !this.db.is_closed()) else { return };
                if let Ok(busy) = this.release(claims.clone()).await {
                    claims = busy;
                }
            }
        }
    }

    /// Releases everything that a worker of this process holds, and removes the worker. Returns the number of tasks. After an error the
    /// worker stays, and its tasks return when its lease ends.
    pub(super) async fn deregister(self: &Arc<Self>, worker: WorkerId) -> Result<u64> {
        let db = &self.db;
        // A server that is away is not waited for: the lease ends by itself.
        drop(db.client_within(db.settings().acquire_timeout).await?);
        // No claim of this process is in flight now, and later ones find no worker.
        let reconcile = self.tracker.reconcile(worker).await;
        self.release_orphaned(&reconcile).await?;
        let ending = self.tracker.ending_of(worker);
        let claims = self.tracker.take(worker);
        let answers = self.settle(&releases(&claims), SettleMode::Each).await?;
        let done = answers.iter().filter(|answer| **answer == Settled::Done).count() as u64;
        let busy = claims.iter().zip(&answers).filter(|(_, answer)| **answer == Settled::Busy);
        let (in_users, busy): (Vec<_>, Vec<_>) = busy.partition(|((id, _), _)| ending.contains(id));
        if !busy.is_empty() {
            let busy = busy.len();
            // Without its worker no rescue would find what it holds.
            return Err(Error::conflict(format!(
                "{busy} tasks of worker {worker} could not be handed back, as other sessions hold their rows by a lock: they come \
                 back once the worker's lease has ended"
            )));
        }
        self.cursors.forget(worker);
        if in_users.is_empty() {
            let removed = db.query(&db.sql.deregister_worker, &[("worker", &worker.0)]).await?;
            if let Some(row) = removed.first() {
                self.cancel_handed_back(cancel_requests(&mut Columns::new(row))?).await?;
            }
        }
        // Else the worker stays until its lease ends: an open transaction of the user settles these tasks, or gives them back by a rollback.
        Ok(done)
    }

    /// Cancels what a worker was asked to stop and has handed back: nobody would tell it now.
    async fn cancel_handed_back(&self, asked: Vec<CancelRequest>) -> Result<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let ids: Vec<TaskId> = asked.iter().map(|asked| asked.task_id).collect();
        let mut found = by_id::get(&self.db, &ids).await?;
        found.retain(|task| asked.contains(&CancelRequest::of(task)));
        let ids: Vec<TaskId> = found.iter().map(|task| task.id).collect();
        if ids.is_empty() { Ok(()) } else { by_id::cancel(self, &ids).await.map(drop) }
    }
}

/// Whether the server answered that it did nothing. With any other error the claim may have been carried out.
fn is_refusal(error: &Error) -> bool {
    error.is_claim_lost() || error.is_schema_missing() || error.is_permission_denied() || error.is_invalid()
}

fn releases(claims: &[(TaskId, Claim)]) -> Vec<Settlement> {
    let release =
        |(task_id, claim): &(TaskId, Claim)| Settlement::new(*task_id, Some(*claim), Outcome::Release);
    claims.iter().map(release).collect()
}
