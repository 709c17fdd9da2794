//! Where a backend looks for results: in its result storage, and in its queue for what tells whether they are those of the last runs.

use std::collections::HashMap;

use super::Backend;
use crate::Result;
use crate::model::*;
use crate::port::EndSubscription;
use crate::search::Source;

#[derive(Clone)]
pub(super) struct InBackend(pub(super) Backend);

impl Source for InBackend {
    async fn results(&self, ids: &[TaskId]) -> Result<Vec<TaskResult>> {
        self.0.latest_results(ids).await
    }

    async fn without_result(&self, ids: &[TaskId]) -> Result<Vec<TaskId>> {
        let tasks = self.0.queue.get_many(ids).await?;
        let ended: Vec<TaskId> =
            ids.iter().zip(&tasks).filter(|(_, task)| is_over(task.as_ref())).map(|(id, _)| *id).collect();
        if ended.is_empty() {
            return Ok(ended);
        }
        // Its result was stored before its end.
        let results = self.0.require_results()?.get_many(&ended).await?;
        Ok(ended.into_iter().zip(results).filter(|(_, result)| result.is_none()).map(|(id, _)| id).collect())
    }

    fn subscribe(&self) -> Vec<Box<dyn EndSubscription>> {
        let Some(results) = &self.0.results else { return Vec::new() };
        let with_tasks = results.location() == self.0.queue.location();
        let tasks = if with_tasks { None } else { Some(self.0.queue.ends()) };
        // A result that is kept elsewhere rings before its task has ended: both must ring.
        std::iter::once(results.ends()).chain(tasks).collect::<Option<_>>().unwrap_or_default()
    }
}

impl Backend {
    /// The results of those of these tasks that have one and were not retried since.
    pub(super) async fn latest_results(&self, ids: &[TaskId]) -> Result<Vec<TaskResult>> {
        let found = self.require_results()?.get_many(ids).await?;
        self.only_latest(found.into_iter().flatten().collect()).await
    }

    /// These results, or those that have replaced them since, without those of tasks that were retried and have not ended
    /// again. Only tasks that failed for good can be retried. A role that may not read tasks gets the stored results.
    async fn only_latest(&self, mut results: Vec<TaskResult>) -> Result<Vec<TaskResult>> {
        let failed: Vec<TaskId> =
            results.iter().filter(|result| has_failed(result)).map(|one| one.task_id).collect();
        if failed.is_empty() {
            return Ok(results);
        }
        let tasks = match self.queue.get_many(&failed).await {
            Err(error) if error.is_permission_denied() => return Ok(results),
            tasks => tasks?,
        };
        let ended: Vec<TaskId> =
            failed.iter().zip(&tasks).filter(|(_, task)| is_over(task.as_ref())).map(|(id, _)| *id).collect();
        // They may have ended again between the two lookups. Their results were stored before their end.
        let again = self.require_results()?.get_many(&ended).await?;
        let mut latest: HashMap<TaskId, Option<TaskResult>> = ended.into_iter().zip(again).collect();
        results.retain_mut(|result| {
            if !has_failed(result) {
                return true;
            }
            match latest.remove(&result.task_id) {
                None => false,
                Some(found) => {
                    if let Some(found) = found {
                        *result = found;
                    }
                    true
                }
            }
        });
        Ok(results)
    }
}

fn has_failed(result: &TaskResult) -> bool {
    result.status == ResultStatus::Failed
}

fn is_over(task: Option<&Task>) -> bool {
    task.is_none_or(|task| task.state.is_final())
}
