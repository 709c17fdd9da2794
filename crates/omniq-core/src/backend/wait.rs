//! Results of tasks that may run again: a dead letter that was retried has its old result until it ends again.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::{Backend, BlockingBackend};
use crate::model::*;
use crate::{Error, Result};

/// How often a wait checks whether a retried task has ended.
const POLL: Duration = Duration::from_millis(100);

impl Backend {
    /// Waits for the value that a task returns, read from JSON or MessagePack. Errors: `is_timeout` if the task has not
    /// ended in time, `is_task_failed` if it ended without a value, `is_codec` if the value is of another type,
    /// `is_config` if results are off.
    pub async fn wait_for<T: DeserializeOwned>(&self, id: TaskId, timeout: Duration) -> Result<T> {
        self.wait(id, timeout).await?.decode()
    }

    /// The result, unless the task was retried since.
    pub(super) async fn latest_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        match self.require_results()?.get(id).await? {
            Some(result) => self.if_latest(result).await,
            None => Ok(None),
        }
    }

    /// Waits for the result of the task's last run.
    pub(super) async fn wait_for_latest(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        let (begun, mut left) = (Instant::now(), timeout);
        loop {
            let result = self.require_results()?.wait(id, left).await?;
            if let Some(latest) = self.if_latest(result).await? {
                return Ok(latest);
            }
            left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Error::timeout(format!(
                    "task {id} was retried, and has not ended again within {timeout:?}"
                )));
            }
            tokio::time::sleep(POLL.min(left)).await;
        }
    }

    /// This result, or the one that has replaced it since; `None` if the task was retried and has not ended again. Only
    /// tasks that failed for good can be retried. A role that may not read tasks gets the stored result.
    async fn if_latest(&self, result: TaskResult) -> Result<Option<TaskResult>> {
        if result.status != ResultStatus::Failed {
            return Ok(Some(result));
        }
        match self.queue.get(result.task_id).await {
            Ok(Some(task)) if !task.state.is_final() => Ok(None),
            // It may have ended again between the two lookups. Its result was stored before its end.
            Ok(_) => Ok(self.require_results()?.get(result.task_id).await?.or(Some(result))),
            Err(error) if error.is_permission_denied() => Ok(Some(result)),
            Err(error) => Err(error),
        }
    }
}

impl BlockingBackend {
    /// Waits for the value that a task returns, as [`Backend::wait_for`] does.
    pub fn wait_for_sync<T: DeserializeOwned>(&self, id: TaskId, timeout: Duration) -> Result<T> {
        self.wait_sync(id, timeout)?.decode()
    }
}
