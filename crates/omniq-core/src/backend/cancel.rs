//! Cancels tasks, with the results and the events that belong to it.

use std::collections::HashMap;

use super::events::EventSink;
use super::settle::lacks_room;
use super::{Backend, Report};
use crate::cancel::{self, Canceller};
use crate::model::*;
use crate::{Error, Result};

impl Backend {
    pub(super) async fn cancel_by_filter(&self, filter: &TaskFilter) -> Result<CancelCounts> {
        cancel::by_filter(self, filter).await
    }

    pub(super) async fn cancel_by_id(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        cancel::by_id(self, ids).await
    }

    /// Cancels those of the tasks that have not ended since; `numbers` are their `seq`. A task that was enqueued anew
    /// with an id of them has another number, and stays.
    pub(crate) async fn cancel_same(&self, numbers: &HashMap<TaskId, i64>) -> Result<()> {
        let ids: Vec<TaskId> = numbers.keys().copied().collect();
        let read = self.queue.get_many(&ids).await?.into_iter().flatten().collect();
        cancel::as_read(self, read, |task| numbers.get(&task.id) == Some(&task.seq)).await.map(drop)
    }
}

impl Canceller for Backend {
    async fn last_seq(&self) -> Result<Option<i64>> {
        self.queue.last_seq().await
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        self.queue.list(filter).await
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        self.queue.get_many(ids).await
    }

    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        self.queue.stop_many(ids).await
    }

    fn cancels(&self, task: &Task) -> Settlement {
        self.record(Report::new(task, Outcome::Cancel))
    }

    async fn write(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        self.settle(batch, SettleMode::Each).await
    }

    /// Events without room, or locked by another session, are left out from some time on.
    fn tries_again(&self, error: &Error) -> bool {
        self.events.as_ref().is_some_and(EventSink::is_with_tasks) && lacks_room(error)
    }
}
