//! The event storage: the interface of a log of events.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use omniq_macros::{blocking, layered};

use super::{Location, iterate};
use crate::model::*;
use crate::{Result, verbs};

/// A log of events that are only ever added, until they are too old.
///
/// Every call is durable once it has returned. Bulk calls are all or nothing.
#[layered(EventsLayer, EventsVerbs)]
#[blocking(BlockingEvents)]
#[async_trait]
pub trait EventStorage: Debug + Send + Sync + 'static {
    /// Adds an event.
    async fn log(&self, event: TaskEvent) -> Result<()> {
        self.log_many(vec![event]).await
    }

    /// Adds events, all or none; they keep their order.
    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()>;

    /// The statement that adds events in a transaction of the user, in their order. Error `is_invalid` if no transaction
    /// reaches this store.
    #[async_only]
    async fn log_statement(&self, events: Vec<TaskEvent>) -> Result<TransactionStatement> {
        let _ = events;
        Err(verbs::without_transactions("event storage"))
    }

    /// The events that the filter selects, in the order in which they were accepted.
    async fn query(&self, filter: &EventFilter) -> Result<Vec<TaskEvent>>;

    /// All events that the filter selects, in order, read a page at a time (the filter's `limit`, or 1,000). It ends when
    /// there are no more, or with the first error. The filter's `latest` is ignored.
    fn iterate(&self, filter: EventFilter) -> BoxStream<'_, Result<TaskEvent>> {
        let filter = EventFilter { latest: false, ..filter };
        iterate::all(filter, async |filter| self.query(&filter).await)
    }

    /// How many events the filter selects, regardless of its `limit`.
    async fn count(&self, filter: &EventFilter) -> Result<u64>;

    /// Removes events from before this time, at most `limit`; returns how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// The upkeep that the store needs to keep its speed; workers call it at intervals. Removes events older than
    /// `keep`, if it is given; some of them perhaps later, such as when a day is over. The default removes some by
    /// [`purge`](Self::purge).
    #[async_only]
    async fn maintain(&self, keep: Option<Duration>) -> Result<()> {
        let Some(before) = keep.and_then(|keep| Timestamp::now().checked_sub(keep).ok()) else {
            return Ok(());
        };
        verbs::in_steps(|limit| self.purge(before, limit)).await
    }

    /// Frees the connections. A second call does nothing; any other verb afterwards fails with `is_closed`.
    async fn close(&self) -> Result<()>;

    /// Where the events are kept.
    fn location(&self) -> Location;
}

impl<T: EventStorage + ?Sized> BlockingEvents<T> {
    /// All events that the filter selects; see [`EventStorage::iterate`]. Each page blocks the calling thread.
    pub fn iterate_sync(&self, filter: EventFilter) -> impl Iterator<Item = Result<TaskEvent>> {
        let filter = EventFilter { latest: false, ..filter };
        iterate::all_sync(filter, |filter| self.query_sync(filter))
    }
}
