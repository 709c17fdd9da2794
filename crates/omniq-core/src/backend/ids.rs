//! Ids that users choose may have been used before. As long as the result of the earlier task is stored, it would be
//! taken for that of the new one.

use super::Backend;
use crate::model::*;
use crate::{Error, Result};

impl Backend {
    /// The ids for which results must be looked up here. None if results are in the queue's location: the queue checks
    /// then.
    pub(super) fn chosen_ids(&self, tasks: &[NewTask]) -> Vec<TaskId> {
        let elsewhere =
            self.results.as_ref().is_some_and(|results| results.location() != self.queue.location());
        if elsewhere { tasks.iter().filter_map(|task| task.id).collect() } else { Vec::new() }
    }

    /// Error `is_duplicate` if a result with the id of one of these tasks is stored elsewhere than the queue.
    #[doc(hidden)]
    pub async fn check_chosen(&self, tasks: &[NewTask]) -> Result<()> {
        self.check_ids(&self.chosen_ids(tasks)).await
    }

    pub(super) async fn check_ids(&self, ids: &[TaskId]) -> Result<()> {
        let (Some(results), false) = (&self.results, ids.is_empty()) else { return Ok(()) };
        match results.get_many(ids).await?.into_iter().flatten().next() {
            Some(result) => Err(Error::id_has_result(result.task_id)),
            None => Ok(()),
        }
    }

    /// Looks once more after the enqueue, because an earlier task may have ended in between. Then all tasks are removed
    /// again, unless one has begun, whose own result will follow. If the lookup fails, they stay enqueued, and the log
    /// says so.
    pub(super) async fn check_enqueued(&self, chosen: &[TaskId], all: &[TaskId]) -> Result<()> {
        let (Some(results), false) = (&self.results, chosen.is_empty()) else { return Ok(()) };
        let look = async {
            let mut found = Vec::new();
            for result in results.get_many(chosen).await?.into_iter().flatten() {
                let task = self.queue.get(result.task_id).await?;
                found.push((result, task));
            }
            Ok::<_, Error>(found)
        };
        let found = look.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether results of earlier tasks with chosen ids are kept could not be looked up");
            Vec::new()
        });
        for (result, task) in found {
            let micros = |time: Option<jiff::Timestamp>| time.map(jiff::Timestamp::as_microsecond);
            let is_own = task.is_none_or(|task| micros(result.enqueued_at) == micros(Some(task.created_at)));
            if !is_own && self.queue.delete_many(all).await.is_ok() {
                return Err(Error::id_has_result(result.task_id));
            }
        }
        Ok(())
    }
}
