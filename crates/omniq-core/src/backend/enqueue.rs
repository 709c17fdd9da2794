//! Enqueues, with the `enqueued` events.

use std::collections::HashSet;

use super::{Backend, record};
use crate::model::*;
use crate::{Result, verbs};

impl Backend {
    /// Gives tasks the callbacks of this backend.
    pub(super) fn add_callbacks(&self, tasks: &mut [NewTask]) {
        if self.callbacks.is_empty() {
            return;
        }
        let own: HashSet<&str> = self.callbacks.iter().map(|callback| &*callback.func).collect();
        for task in tasks.iter_mut().filter(|task| !own.contains(&*task.func)) {
            task.callbacks.extend(self.callbacks.iter().cloned());
        }
    }

    /// Whether the queue logs the `enqueued` events itself.
    pub(super) fn enqueues_are_logged(&self) -> bool {
        self.events().is_some_and(|events| self.queue.logs_enqueues(&events.location()))
    }

    /// Adds a task, within all layers.
    pub(super) async fn enqueue_inside(&self, task: NewTask) -> Result<Enqueued> {
        if self.enqueues_are_logged() || task.unique.is_some() || task.after.is_some() {
            return verbs::only(self.enqueue_many_inside(vec![task]).await?);
        }
        let chosen = self.chosen_ids(std::slice::from_ref(&task));
        self.check_ids(&chosen).await?;
        let event = self.events.as_ref().map(|_| record::enqueued(&task));
        let id = self.queue.enqueue(task).await?;
        self.check_enqueued(&chosen, &[id]).await?;
        if let Some(event) = event {
            self.log_events(vec![TaskEvent { task_id: Some(id), ..event }]).await;
        }
        Ok(Enqueued::New(id))
    }

    /// Adds tasks, within all layers.
    pub(super) async fn enqueue_many_inside(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        let waits = tasks.iter().any(|task| task.after.is_some());
        let enqueued = self.write_many(tasks).await?;
        if waits {
            // Some of those before them may have failed.
            self.end_what_is_broken().await;
        }
        Ok(enqueued)
    }

    async fn write_many(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        let chosen = self.chosen_ids(&tasks);
        self.check_ids(&chosen).await?;
        let added = |enqueued: &[Enqueued]| -> Vec<TaskId> {
            enqueued.iter().filter(|one| one.is_new()).map(|one| one.id()).collect()
        };
        if self.enqueues_are_logged() {
            let enqueued = self.queue.enqueue_logged(tasks).await?;
            self.check_enqueued(&chosen, &added(&enqueued)).await?;
            return Ok(enqueued);
        }
        let events: Vec<_> = match &self.events {
            Some(_) => tasks.iter().map(record::enqueued).collect(),
            None => Vec::new(),
        };
        let enqueued = self.queue.enqueue_unique_many(tasks).await?;
        self.check_enqueued(&chosen, &added(&enqueued)).await?;
        let events = events.into_iter().zip(&enqueued).filter(|(_, one)| one.is_new());
        let events = events.map(|(event, one)| TaskEvent { task_id: Some(one.id()), ..event });
        self.log_events(events.collect()).await;
        Ok(enqueued)
    }

    /// Adds tasks by `write`, through the layers around enqueues; for storages that write them in a transaction of the user.
    #[doc(hidden)]
    pub async fn enqueue_by<F: Future<Output = Result<Vec<Enqueued>>>>(
        &self,
        mut tasks: Vec<NewTask>,
        write: impl FnOnce(Vec<NewTask>) -> F,
    ) -> Result<Vec<Enqueued>> {
        self.add_callbacks(&mut tasks);
        #[cfg(feature = "tower")]
        if let Some(layers) = &self.layers {
            return layers.enqueue_by(tasks, write).await;
        }
        write(tasks).await
    }
}
