//! The interfaces that a storage implements, one file each.

mod ends;
mod events;
mod heartbeat;
pub(crate) mod iterate;
mod maintenance;
mod own_dequeue;
mod queue;
mod results;
mod retry;
mod schedules;
mod worker_queue;
mod worker_schedules;

use std::fmt;

use async_trait::async_trait;

use crate::Result;

pub use ends::{EndSubscription, Rung};
pub use events::EventStorage;
pub use heartbeat::HeartbeatConnection;
pub use maintenance::QueueMaintenance;
pub use queue::TaskQueue;
pub use results::ResultStorage;
pub use schedules::ScheduleStorage;
pub use worker_queue::{Handoff, Subscription, WorkerQueue};
pub use worker_schedules::WorkerSchedules;
pub use {
    events::BlockingEvents, queue::BlockingQueue, results::BlockingResults, schedules::BlockingSchedules,
};
#[cfg(feature = "conformance")]
pub use {
    events::BlockingEventsAdapter, queue::BlockingQueueAdapter, results::BlockingResultsAdapter,
    schedules::BlockingSchedulesAdapter,
};

/// What the macros derive from the interfaces for tests. Not at the root, because a layer has methods of the same names as its interface.
#[cfg(feature = "conformance")]
pub mod layers {
    pub use super::events::{EventsLayer, EventsVerbs};
    pub use super::maintenance::{MaintenanceLayer, MaintenanceVerbs};
    pub use super::queue::{QueueLayer, QueueVerbs};
    pub use super::results::{ResultsLayer, ResultsVerbs};
    pub use super::schedules::{SchedulesLayer, SchedulesVerbs};
    pub use super::worker_queue::{WorkerLayer, WorkerVerbs};
    pub use super::worker_schedules::{WorkerSchedulesLayer, WorkerSchedulesVerbs};
}

/// Where a storage keeps its data. Two storages with the same location can be written in one transaction.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Location(String);

impl Location {
    /// A location with a name that is unique to it, such as host, port, database and schema; no secrets.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For people.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A storage that is opened by URL or settings; the blocking twins open theirs through it.
#[async_trait]
pub trait Connect: Sized {
    /// The settings.
    type Settings: Sync;

    /// Connects by URL.
    async fn connect(url: &str) -> Result<Self>;

    /// Connects with these settings.
    async fn with_settings(settings: &Self::Settings) -> Result<Self>;
}
