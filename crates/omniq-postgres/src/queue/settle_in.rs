//! The end of runs in a transaction of the user.

use std::collections::HashSet;

use async_trait::async_trait;
use omniq_core::{
    Context, Error, Outcome, Payload, Result, SettleMode, Settled, Settlement, Task, TaskError, TaskQueue,
    TaskState, TransactionStatement,
};

#[cfg(test)]
mod forgotten;

use super::claims::Claims;
use super::{AsyncPostgresQueue, counts};
use crate::segments::settle::{SettleBatch, parts};
use crate::sql::{Columns, json, signed};
use crate::transaction::{
    self, Batch, EventRecord, HeldTask, ResultRecord, UserConnection, database_id, execute,
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
        let held = execute(connection, &self.settle_statement(batch, mode).await?).await?;
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
        if !settlements.is_empty() {
            let groups = &batch.claims_of()[..6];
            db.query(&db.sql.single_out_held, groups).await?;
            // The user's transaction is about to change them.
            counts::changed(db);
        }
        for ttl in batch.results.ttls() {
            // Made here, because making it in the user's transaction would block others that need one.
            db.make_results_partition(ttl.as_secs_f64(), ttl).await?;
        }
        if !batch.events.ats.is_empty() {
            db.make_events_partition(0.0).await?;
        }
        // Asked for now, because the remembered identity may be from before a restart of the server.
        let database = database_id::ask(db).await?;

        let mut seen = HashSet::with_capacity(checked.len());
        let mut record = Batch {
            keep: self.keep_completed,
            everything: mode == SettleMode::All,
            tasks: Vec::with_capacity(checked.len()),
        };
        for settlement in &checked {
            // Of two by the same claim the first one counts.
            let claim = settlement.claim.filter(|claim| seen.insert((settlement.task_id, *claim)));
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
            });
        }
        let values = checked.iter().map(|one| one.result.as_ref().and_then(ResultRecord::value)).collect();
        let count = || format!("{} settlements", settlements.len());
        let statement = transaction::statement(&db.sql.settle_raw, database, &record, values, count)?;
        self.forget_ended(seen).await?;
        Ok(statement)
    }

    /// Notes claims that a transaction of the user is about to end. Nothing tells whether it was committed, so once there are many of them
    /// those that have ended are looked for.
    async fn forget_ended(&self, claims: HashSet<(omniq_core::TaskId, omniq_core::Claim)>) -> Result<()> {
        let Some(noted) = self.tracker.end_inside(claims) else { return Ok(()) };
        let settlements: Vec<_> = noted
            .iter()
            .map(|(task_id, claim)| Settlement {
                task_id: *task_id,
                claim: Some(*claim),
                outcome: Outcome::Complete,
                result: None,
                events: Vec::new(),
            })
            .collect();
        let checked = self.checked(&settlements)?;
        let batch = SettleBatch::of(&checked, SettleMode::Each)?;
        let row = self.db.one(&self.db.sql.busy, &batch.claims_of()).await?;
        let mut columns = Columns::new(&row);
        let (nos, distances): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
        let held: HashSet<usize> =
            batch.settled(&nos, &distances, &columns.take::<Vec<_>>()?).into_iter().collect();
        let over = noted.into_iter().enumerate().filter(|(rank, _)| !held.contains(rank));
        self.tracker.remove(over.map(|(_, claim)| claim));
        Ok(())
    }
}
