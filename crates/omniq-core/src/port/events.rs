//! The event storage: what happened, and when.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_macros::blocking;

use super::Location;
use crate::model::*;
use crate::{Result, verbs};

/// A log of events that is only ever added to.
///
/// Every call is durable once it has returned. Bulk calls are all or nothing.
#[blocking(BlockingEvents)]
#[async_trait]
pub trait EventStorage: Debug + Send + Sync + 'static {
    /// Adds an event.
    async fn log(&self, event: TaskEvent) -> Result<()> {
        self.log_many(vec![event]).await
    }

    /// Adds events, all or none; they keep their order.
    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()>;

    /// The events that the filter names, in the order in which they were taken.
    async fn query(&self, filter: &EventFilter) -> Result<Vec<TaskEvent>>;

    /// How many events the filter names.
    async fn count(&self, filter: &EventFilter) -> Result<u64>;

    /// Removes events from before this time, at most `limit`; returns how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// What is to be done now and then so that the store keeps its speed; workers do it. Events older than `keep` go, if any
    /// is given, some of them perhaps later, such as when a day is over. By itself it removes some by [`purge`](Self::purge).
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
