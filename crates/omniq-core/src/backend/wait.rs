//! Waits for results.

use std::time::Duration;

use futures_util::stream::BoxStream;
use serde::de::DeserializeOwned;

use super::source::InBackend;
use super::{Backend, BlockingBackend, WaitMany};
use crate::Result;
use crate::model::*;

impl Backend {
    /// Waits for the value that a task returns, read from JSON or MessagePack, as [`wait`](Self::wait) does. Errors beside
    /// those of `wait`: `is_task_failed` if the task ended without a value, `is_codec` if the value is of another type.
    pub async fn wait_for<T: DeserializeOwned>(&self, id: TaskId, timeout: Duration) -> Result<T> {
        self.wait(id, timeout).await?.decode()
    }

    /// Waits for the results of many tasks, and gives them as they come: each once, those that are there at once. The
    /// stream ends after the last one, or with the first error. All that is stored before the timeout is over comes,
    /// however slowly the stream is read. `Duration::MAX`: without end.
    ///
    /// Ended tasks ring this wait; it reads what has rung, many results in one query. Behind a transaction pooler, and for
    /// storages that do not ring, it looks at intervals that grow from 5 to 200 ms while nothing comes. No query is sent while
    /// the stream is not read, and none after it is dropped.
    ///
    /// A result that has expired or was deleted, and one of a task that does not exist, is waited for until the timeout is
    /// over. A dead letter that was retried comes when it has ended again. While the database is away, it waits.
    ///
    /// Errors: `is_timeout` if some results have not come in time, `is_not_found` after the others if a task ends meanwhile
    /// and leaves none (it was deleted, or ended where no results are kept), `is_config` if results are off, `is_closed`
    /// after [`close`](Self::close).
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

    /// Waits for the result of the task's last run.
    pub(super) async fn wait_for_latest(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        self.require_results()?;
        match self.waits.wait(InBackend(self.clone()), id, timeout).await {
            Err(error) if error.is_timeout() && error.sqlstate().is_none() => {
                self.wait_is_over(id, timeout, error).await
            }
            answer => answer,
        }
    }
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
