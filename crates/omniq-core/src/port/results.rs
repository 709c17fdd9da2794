//! The result storage: the interface of a store of results.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use omniq_macros::{blocking, layered};
use tokio::time::Instant;

use super::ends::EndSubscription;
use super::{Location, iterate};
use crate::model::*;
use crate::search::{Search, Source};
use crate::{Result, verbs};

/// A store of results, one per task id.
///
/// Every call is durable once it has returned. Bulk calls are all or nothing. An expired result is not returned,
/// counted or listed, whether it was removed already or not.
#[layered(ResultsLayer, ResultsVerbs)]
#[blocking(BlockingResults)]
#[async_trait]
pub trait ResultStorage: Debug + Send + Sync + 'static {
    /// Stores a result, in place of an earlier one of the same task. Error `is_invalid` or `is_codec` for one that
    /// cannot be stored.
    async fn store(&self, result: TaskResult) -> Result<()> {
        self.store_many(vec![result]).await
    }

    /// Stores results, all or none. Of two for the same task in one call the later one is kept.
    async fn store_many(&self, results: Vec<TaskResult>) -> Result<()>;

    /// The statement that stores results in a transaction of the user, as [`store_many`](Self::store_many) does. Of two
    /// results that two sessions store for one task at the same time, the one that finished later is read. Error
    /// `is_invalid` if no transaction reaches this store.
    #[async_only]
    async fn store_statement(&self, results: Vec<TaskResult>) -> Result<TransactionStatement> {
        let _ = results;
        Err(verbs::without_transactions("result storage"))
    }

    /// The result, or `None` if there is none (yet, or any more).
    async fn get(&self, id: TaskId) -> Result<Option<TaskResult>> {
        Ok(self.get_many(&[id]).await?.pop().flatten())
    }

    /// The results of these tasks, in the same order.
    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>>;

    /// Waits for the result. Error `is_timeout` if it has not come in time.
    async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        let mut search = Search::new(Instant::now().checked_add(timeout));
        search.add(&[id]);
        loop {
            if search.is_due() {
                if let Some(result) = search.step(&InStorage(self)).await?.found.pop() {
                    return Ok(result);
                }
            } else if search.is_over {
                return Err(verbs::wait_over(id, timeout));
            } else {
                search.rest().await;
            }
        }
    }

    /// A subscription to the ends of tasks, which rings when results are stored here. `None`, the default: nothing rings,
    /// and waits look at short intervals.
    fn ends(&self) -> Option<Box<dyn EndSubscription>> {
        None
    }

    /// Removes the result; returns whether there was one.
    async fn delete(&self, id: TaskId) -> Result<bool> {
        Ok(self.delete_many(&[id]).await? > 0)
    }

    /// Removes results; returns how many there were.
    async fn delete_many(&self, ids: &[TaskId]) -> Result<u64>;

    /// The results that the filter selects, the latest finished first.
    async fn list(&self, filter: &ResultFilter) -> Result<Vec<TaskResult>>;

    /// All results that the filter selects, the latest finished first, read a page at a time (the filter's `limit`, or
    /// 1,000). Those that finish meanwhile do not come. The stream ends with the first error.
    fn iterate(&self, filter: ResultFilter) -> BoxStream<'_, Result<TaskResult>> {
        iterate::all(filter, async |filter| self.list(&filter).await)
    }

    /// How many results the filter selects.
    async fn count(&self, filter: &ResultFilter) -> Result<u64>;

    /// Removes expired results, at most `limit`; returns how many. Workers call it at intervals.
    async fn purge_expired(&self, limit: u32) -> Result<u64>;

    /// The upkeep that the store needs to keep its speed, such as making and dropping partitions; workers call it at
    /// intervals. `keep`: how long results that are stored now are kept. Expired results, which no verb shows, may stay
    /// for a while. The default removes some of them by [`purge_expired`](Self::purge_expired).
    #[async_only]
    async fn maintain(&self, keep: Option<Duration>) -> Result<()> {
        let _ = keep;
        verbs::in_steps(|limit| self.purge_expired(limit)).await
    }

    /// Frees the connections. A second call does nothing; any other verb afterwards fails with `is_closed`.
    async fn close(&self) -> Result<()>;

    /// Where the results are kept.
    fn location(&self) -> Location;
}

/// Where a storage by itself looks for results.
struct InStorage<'a, S: ?Sized>(&'a S);

impl<S: ResultStorage + ?Sized> Source for InStorage<'_, S> {
    async fn results(&self, ids: &[TaskId]) -> Result<Vec<TaskResult>> {
        Ok(self.0.get_many(ids).await?.into_iter().flatten().collect())
    }

    async fn without_result(&self, _: &[TaskId]) -> Result<Vec<TaskId>> {
        Ok(Vec::new())
    }

    fn subscribe(&self) -> Vec<Box<dyn EndSubscription>> {
        self.0.ends().into_iter().collect()
    }
}

impl<T: ResultStorage + ?Sized> BlockingResults<T> {
    /// All results that the filter selects; see [`ResultStorage::iterate`]. Each page blocks the calling thread.
    pub fn iterate_sync(&self, filter: ResultFilter) -> impl Iterator<Item = Result<TaskResult>> {
        iterate::all_sync(filter, |filter| self.list_sync(filter))
    }
}

impl dyn ResultStorage {
    /// The error of a wait that ran out of time; for storages.
    pub fn wait_over(id: TaskId, timeout: Duration) -> crate::Error {
        verbs::wait_over(id, timeout)
    }
}
