//! The end of runs in a transaction of the user.

use std::collections::HashSet;
use std::time::Instant;

use async_trait::async_trait;
use omniq_core::{
    Claim, Context, Error, Outcome, Payload, Result, SettleMode, Settled, Settlement, Task, TaskError,
    TaskId, TaskQueue, TaskState, TransactionStatement,
};
use uuid::Uuid;

#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod moved;

use super::claims::Claims;
use super::settle::{PAUSE, is_held};
use super::{AsyncPostgresQueue, counts};
use crate::results::statement as store_in;
use crate::segments::settle::{SettleBatch, parts};
use crate::sql::{json, signed};
use crate::transaction::{
    self, Batch, EventRecord, HeldTask, ResultRecord, TaskRecord, UserConnection, database_id, execute,
};

/// Completes the task of a run inside the user's own transaction.
#[async_trait]
pub trait CompleteIn {
    /// Completes the task in this transaction, with its result and its `completed` event. A commit makes them durable together with the
    /// rest of the transaction; a rollback leaves nothing, and the task runs again as after a failure.
    ///
    /// The transaction must end before the handler does. If it was committed, what the handler returns afterwards is ignored. Errors:
    /// `is_claim_lost` if the task is not held any more, or was completed by this transaction before: that aborts the transaction;
    /// `is_invalid` if the queue is not on PostgreSQL, or if results or events are kept elsewhere.
    async fn complete_in<R: serde::Serialize + Sync>(
        &self,
        connection: &mut dyn UserConnection,
        result: &R,
    ) -> Result<()>;
}

#[async_trait]
impl CompleteIn for Context {
    async fn complete_in<R: serde::Serialize + Sync>(
        &self,
        connection: &mut dyn UserConnection,
        result: &R,
    ) -> Result<()> {
        let completion = self.completion(Some(Payload::json(result)?)).await?;
        match connection.execute_statement(&completion).await? {
            (_, Some(_)) => Ok(()),
            (elsewhere, None) => {
                // Nothing was done, and the transaction can go on. After an error it cannot: what the run has written in it is lost.
                self.completion_refused();
                Err(database_id::another(&elsewhere, &completion.database))
            }
        }
    }
}

impl AsyncPostgresQueue {
    /// Reports success in the user's own transaction: a commit makes it durable together with the rest of the transaction. Until then, and
    /// after a rollback, the task stays held by this object.
    ///
    /// Errors: `is_claim_lost` if the task is not held any more: that aborts the transaction. `is_invalid` for a connection to another
    /// database; nothing is done then. The transaction should be read committed: one that is not, and has begun earlier, may not see a task
    /// that was enqueued among others.
    pub async fn complete_in(&self, connection: &mut dyn UserConnection, task: &Task) -> Result<()> {
        self.complete_many_in(connection, std::slice::from_ref(task)).await
    }

    /// Reports success of all, or of none, in the user's own transaction; as [`complete_in`](Self::complete_in).
    pub async fn complete_many_in(&self, connection: &mut dyn UserConnection, tasks: &[Task]) -> Result<()> {
        execute(connection, &self.complete_statement(tasks).await?).await.map(drop)
    }

    /// Reports a failure in the user's own transaction: the task is retried after its backoff, or becomes a dead letter. Returns which
    /// (`Scheduled` or `Dead`). Otherwise as [`complete_in`](Self::complete_in).
    pub async fn fail_in(
        &self,
        connection: &mut dyn UserConnection,
        task: &Task,
        error: TaskError,
    ) -> Result<TaskState> {
        let mut states = self.fail_many_in(connection, vec![(task.clone(), error)]).await?;
        states.pop().ok_or_else(|| Error::internal("the failure of one task gave no state"))
    }

    /// Reports the failure of all, or of none, in the user's own transaction; as [`fail_in`](Self::fail_in).
    pub async fn fail_many_in(
        &self,
        connection: &mut dyn UserConnection,
        failed: Vec<(Task, TaskError)>,
    ) -> Result<Vec<TaskState>> {
        let (statement, states) = self.fail_statement(failed).await?;
        execute(connection, &statement).await?;
        Ok(states)
    }

    /// Settles runs in the user's own transaction, with their results and events, and returns one answer for each in the same order. With
    /// [`SettleMode::Each`] a lost claim is answered with [`Settled::Lost`], with [`SettleMode::All`], or if the transaction is not read
    /// committed, it aborts the transaction. A
    /// settlement without a claim is `Lost`. A row that another session has locked is waited for. Otherwise as
    /// [`complete_in`](Self::complete_in).
    pub async fn settle_in(
        &self,
        connection: &mut dyn UserConnection,
        batch: &[Settlement],
        mode: SettleMode,
    ) -> Result<Vec<Settled>> {
        let held = TransactionStatement::held(
            &execute(connection, &self.settle_statement(batch, mode).await?).await?,
        );
        Ok(held.into_iter().map(Settled::from_held).collect())
    }
}

impl Claims {
    /// Gives the tasks rows of their own, and builds the statement that settles them.
    pub(super) async fn settle_statement(
        &self,
        settlements: &[Settlement],
        mode: SettleMode,
    ) -> Result<TransactionStatement> {
        let checked = self.checked(settlements)?;
        let batch = SettleBatch::of(&checked, mode)?;
        let db = &self.db;
        db.check_open()?;
        let mut seen = HashSet::with_capacity(checked.len());
        // Of two by the same claim the first one counts.
        let claims: Vec<Option<Claim>> =
            checked.iter().map(|one| one.claim.filter(|claim| seen.insert((one.task_id, *claim)))).collect();
        // Before anything moves, so that a close knows of it.
        self.forget_ended(seen).await;
        if !settlements.is_empty() {
            self.single_out(&batch).await?;
            // The user's transaction is about to change them.
            counts::changed(db);
        }
        // A task that is claimed for the first time has no result of an earlier life.
        let again = checked
            .iter()
            .filter(|one| one.result.is_some() && one.claim.is_some_and(|claim| claim.number > 1));
        let again: Vec<Uuid> = again.map(|one| one.task_id.as_uuid()).collect();
        store_in::prepare(db, batch.results.ttls(), &again).await?;
        if !batch.events.ats.is_empty() {
            db.make_events_partition_ahead().await?;
        }
        // Asked for now, because the remembered identity may be from before a restart of the server.
        let database = database_id::ask(db).await?;

        let mut record = Batch {
            keep: self.keep_completed,
            everything: mode == SettleMode::All,
            tasks: Vec::with_capacity(checked.len()),
        };
        for (settlement, claim) in checked.iter().zip(claims) {
            let (outcome, delay, error) = parts(&settlement.outcome)?;
            record.tasks.push(HeldTask {
                id: settlement.task_id.to_string(),
                worker: claim.map(|claim| claim.worker.0),
                number: claim.map(|claim| signed(claim.number)),
                outcome,
                delay,
                error: error.map(json).transpose()?,
                result: settlement.result.as_ref().map(ResultRecord::new).transpose()?,
                events: settlement.events.iter().map(EventRecord::new).collect::<Result<_>>()?,
                enqueues: settlement.enqueues.iter().map(TaskRecord::enqueued).collect::<Result<_>>()?,
            });
        }
        let values = checked.iter().map(|one| one.result.as_ref().and_then(ResultRecord::value)).collect();
        let count = || format!("{} settlements", settlements.len());
        transaction::statement(&db.sql.settle_raw, database, &record, values, count)
    }

    /// Gives tasks rows of their own. Waits for rows that other sessions hold, as long as for a connection.
    async fn single_out(&self, batch: &SettleBatch<'_>) -> Result<()> {
        let (db, begun) = (&self.db, Instant::now());
        loop {
            match db.query(&db.sql.single_out_held, &batch.claims_of()[..6]).await {
                Err(error) if is_held(&error) && begun.elapsed() < db.settings().acquire_timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer.map(drop),
            }
        }
    }

    /// Notes claims that a transaction of the user is about to end. Nothing tells whether it was committed, so once there are many of them
    /// those that have ended are looked for. An error of that look is no error of the call.
    async fn forget_ended(&self, claims: HashSet<(TaskId, Claim)>) {
        let Some(noted) = self.tracker.end_inside(claims) else { return };
        let settlement =
            |(task_id, claim): &(TaskId, Claim)| Settlement::new(*task_id, Some(*claim), Outcome::Complete);
        let settlements: Vec<_> = noted.iter().map(settlement).collect();
        match self.still_held(&settlements).await {
            Ok(held) => {
                let over = noted.into_iter().enumerate().filter(|(rank, _)| !held.contains(rank));
                self.tracker.remove(over.map(|(_, claim)| claim));
            }
            Err(error) => tracing::debug!(%error, "claims that transactions have ended were not looked for"),
        }
    }

    async fn still_held(&self, settlements: &[Settlement]) -> Result<HashSet<usize>> {
        let checked = self.checked(settlements)?;
        let batch = SettleBatch::of(&checked, SettleMode::Each)?;
        Ok(self.held(&batch).await?.0.into_iter().collect())
    }
}
