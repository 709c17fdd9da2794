//! The end of runs in transactions of the user.

use super::{Backend, Report, settle};
use crate::model::*;
use crate::{Error, Result};

impl Backend {
    /// The statement that adds tasks in a transaction of the user, and their ids; see
    /// [`TaskQueue::enqueue_statement`](crate::TaskQueue::enqueue_statement). Error `is_duplicate` for an id that the user
    /// chose, if results are stored elsewhere than the queue and have one of an earlier task with it.
    pub async fn enqueue_statement(
        &self,
        mut tasks: Vec<NewTask>,
        stale: Option<DatabaseId>,
    ) -> Result<(TransactionStatement, Vec<TaskId>)> {
        self.add_callbacks(&mut tasks);
        self.check_chosen(&tasks).await?;
        self.queue.enqueue_statement(tasks, stale).await
    }

    /// The statement that settles runs with their results and events in a transaction of the user; see
    /// [`TaskQueue::settle_statement`](crate::TaskQueue::settle_statement). Results or events are left out if they are
    /// off.
    ///
    /// Error `is_invalid` if no transaction reaches the queue, if a settlement has a result or an event whose storage is
    /// elsewhere than the queue, or if a value is too large.
    pub async fn settle_statement(
        &self,
        batch: &[Settlement],
        mode: SettleMode,
    ) -> Result<TransactionStatement> {
        let here = self.queue.location();
        let results = self.results.as_ref().map(|results| results.location() == here);
        let events = self.events().map(|events| events.location() == here);
        let is_elsewhere = |is_here: Option<bool>, written: fn(&Settlement) -> bool| {
            is_here == Some(false) && batch.iter().any(written)
        };
        for (part, elsewhere) in [
            ("results", is_elsewhere(results, |one| one.result.is_some())),
            ("events", is_elsewhere(events, |one| !one.events.is_empty())),
        ] {
            if elsewhere {
                // A queue that no transaction reaches refuses any batch.
                self.queue.settle_statement(&[], mode).await?;
                return Err(Error::invalid(format!(
                    "{part} are kept elsewhere than the queue, which no transaction joins: keep them in the queue's database, or \
                     settle the task without a connection (a handler: return the result)"
                )));
            }
        }
        for result in batch.iter().filter_map(|settlement| settlement.result.as_ref()) {
            self.limits.check_result(result)?;
        }
        let kept = settle::part(batch, results.is_some(), events.is_some());
        self.queue.settle_statement(&kept, mode).await
    }

    /// The statement that completes dequeued tasks in a transaction of the user, each with its value, with their results
    /// and events. Errors as for [`settle_statement`](Self::settle_statement); `is_claim_lost` if no worker holds a task.
    pub async fn complete_statement(
        &self,
        done: Vec<(Task, Option<Payload>)>,
    ) -> Result<TransactionStatement> {
        let reports = done.iter().map(|(task, value)| Report::completed(task, value.clone()));
        self.report_statement(reports.collect()).await
    }

    /// The statement that reports the failure of dequeued tasks in a transaction of the user, and the states in which it
    /// leaves them (`Scheduled` or `Dead`). Errors as for [`complete_statement`](Self::complete_statement).
    pub async fn fail_statement(
        &self,
        failed: Vec<(Task, TaskError)>,
    ) -> Result<(TransactionStatement, Vec<TaskState>)> {
        let (reports, states) = Report::failed(&failed);
        Ok((self.report_statement(reports).await?, states))
    }

    pub(crate) async fn report_statement(&self, reports: Vec<Report<'_>>) -> Result<TransactionStatement> {
        self.settle_statement(&self.records(reports)?, SettleMode::All).await
    }
}
