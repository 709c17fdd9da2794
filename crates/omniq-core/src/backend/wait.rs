//! Results of tasks that may live on: a dead letter that was retried has its old result until it ends anew.

use std::time::{Duration, Instant};

use super::Backend;
use crate::model::*;
use crate::{Error, Result};

/// How often it is looked again whether a retried task has ended.
const POLL: Duration = Duration::from_millis(100);

impl Backend {
    /// The result, unless the task has gone on since.
    pub(super) async fn latest_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        let result = self.require_results()?.get(id).await?;
        match result {
            Some(result) if self.is_outdated(&result).await? => Ok(None),
            result => Ok(result),
        }
    }

    /// Waits for the result of the task's last run.
    pub(super) async fn wait_for_latest(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        let begun = Instant::now();
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            let result = self.require_results()?.wait(id, left).await?;
            if !self.is_outdated(&result).await? {
                return Ok(result);
            }
            if left.is_zero() {
                return Err(Error::timeout(format!(
                    "task {id} was retried, and has not ended again within {timeout:?}"
                )));
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }

    /// Only tasks that failed for good can go on. Who may not look at tasks gets what there is.
    async fn is_outdated(&self, result: &TaskResult) -> Result<bool> {
        if result.status != ResultStatus::Failed {
            return Ok(false);
        }
        match self.queue.get(result.task_id).await {
            Ok(task) => Ok(task.is_some_and(|task| !task.state.is_final())),
            Err(error) if error.is_permission_denied() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
