//! Results of tasks that may run again: a dead letter that was retried has its old result until it ends again.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Backend, BlockingBackend, WaitMany};
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

    /// Waits for the results of many tasks, and gives them as they come: each once, those that are there at once. The
    /// stream ends after the last one, or with the first error. All that is stored before the timeout is over comes,
    /// however slowly the stream is read. `Duration::MAX`: without end.
    ///
    /// It reads the results of many tasks in one query, and pauses between its queries as long as nothing comes, at most 0.2
    /// seconds; for tens of thousands of tasks at least as long as a round of queries takes. No query is sent while the
    /// stream is not read, and none after it is dropped.
    ///
    /// A result that has expired or was deleted, and one of a task that does not exist, is waited for until the timeout is
    /// over. A dead letter that was retried comes when it has ended again. While the database is away, it waits.
    ///
    /// Errors: `is_timeout` if some results have not come in time, `is_config` if results are off, `is_closed` after
    /// [`close`](Self::close).
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use futures_util::TryStreamExt;
    /// # use omniq::{Backend, Context, Failure, MemoryQueue, MemoryResultStorage, NewTask, Worker};
    /// # use std::{sync::Arc, time::Duration};
    /// # fn main() -> omniq_core::Result<()> {
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// # let backend = Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
    /// # let squares = |n: u64, _: Context| async move { Ok::<_, Failure>(n * n) };
    /// let tasks = (1..=3).map(|n| NewTask::new("square", &n)).collect::<omniq::Result<Vec<_>>>()?;
    /// let ids = backend.enqueue_many(tasks).await?;
    /// # Worker::builder(&backend).register("square", squares).build()?.run_until_idle().await?;
    /// let mut sum = 0;
    /// let mut results = backend.wait_many(&ids, Duration::from_secs(60));
    /// while let Some(result) = results.try_next().await? {
    ///     sum += result.decode::<u64>()?;
    /// }
    /// assert_eq!(sum, 1 + 4 + 9);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn wait_many(&self, ids: &[TaskId], timeout: Duration) -> BoxStream<'static, Result<TaskResult>> {
        WaitMany::of(ids, timeout).stream(self.clone())
    }

    /// The result, unless the task was retried since.
    pub(super) async fn latest_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        Ok(self.latest_results(&[id]).await?.pop())
    }

    /// The results of those of these tasks that have one and were not retried since.
    pub(super) async fn latest_results(&self, ids: &[TaskId]) -> Result<Vec<TaskResult>> {
        let found = self.require_results()?.get_many(ids).await?;
        self.only_latest(found.into_iter().flatten().collect()).await
    }

    /// Waits for the result of the task's last run.
    pub(super) async fn wait_for_latest(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        let (begun, mut left) = (Instant::now(), timeout);
        loop {
            let result = match self.require_results()?.wait(id, left).await {
                Err(error) if error.is_timeout() && error.sqlstate().is_none() => {
                    return self.wait_is_over(id, timeout, error).await;
                }
                result => result?,
            };
            if let Some(latest) = self.only_latest(vec![result]).await?.pop() {
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
        let is_over = |task: &Option<Task>| task.as_ref().is_none_or(|task| task.state.is_final());
        let ended: Vec<TaskId> =
            failed.iter().zip(&tasks).filter(|(_, task)| is_over(task)).map(|(id, _)| *id).collect();
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

impl BlockingBackend {
    /// Waits for the value that a task returns, as [`Backend::wait_for`] does.
    pub fn wait_for_sync<T: DeserializeOwned>(&self, id: TaskId, timeout: Duration) -> Result<T> {
        self.wait_sync(id, timeout)?.decode()
    }

    /// Waits for the results of many tasks, and gives them as they come; see [`Backend::wait_many`]. Each step blocks the
    /// calling thread.
    pub fn wait_many_sync(
        &self,
        ids: &[TaskId],
        timeout: Duration,
    ) -> impl Iterator<Item = Result<TaskResult>> + use<> {
        WaitMany::of(ids, timeout).iterator(self.as_async().clone())
    }
}
