//! What an implementation provides to the suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::*;

/// A store of tasks that is fresh for each test. Every call opens another object on the same tasks, as another process
/// would.
#[async_trait]
pub trait QueueFixture: Send + Sync {
    /// An object with these limits; `keep_completed`: completed tasks stay in the queue.
    async fn queue_with(&self, limits: Limits, keep_completed: bool) -> Arc<dyn TaskQueue>;

    /// An object that keeps completed tasks, and prunes ended ones after this time.
    async fn pruning_queue(&self, ttl: Duration) -> Arc<dyn TaskQueue>;

    /// An object with defaults.
    async fn queue(&self) -> Arc<dyn TaskQueue> {
        self.queue_with(Limits::default(), false).await
    }

    /// Checks that the store's data beside the tasks themselves is right, after many steps of all kinds.
    async fn check(&self) {}
}

/// A store of results that is fresh for each test. Every call opens another object on the same results.
#[async_trait]
pub trait ResultFixture: Send + Sync {
    /// An object with defaults.
    async fn results(&self) -> Arc<dyn ResultStorage>;
}

/// A store of events that is fresh for each test. Every call opens another object on the same events.
#[async_trait]
pub trait EventFixture: Send + Sync {
    /// An object with defaults.
    async fn events(&self) -> Arc<dyn EventStorage>;
}

/// A store of schedules beside its queue, fresh for each test. Every call opens another object on the same schedules.
#[async_trait]
pub trait ScheduleFixture: Send + Sync {
    /// An object with defaults.
    async fn schedules(&self) -> Arc<dyn ScheduleStorage>;

    /// The queue that their tasks go to.
    async fn queue(&self) -> Arc<dyn TaskQueue>;
}

/// The same stores through their blocking twins.
#[derive(Debug)]
pub struct Blocking<F>(pub F);

#[async_trait]
impl<F: QueueFixture> QueueFixture for Blocking<F> {
    async fn queue_with(&self, limits: Limits, keep_completed: bool) -> Arc<dyn TaskQueue> {
        let queue = self.0.queue_with(limits, keep_completed).await;
        Arc::new(BlockingQueueAdapter(BlockingQueue::new(queue)))
    }

    async fn pruning_queue(&self, ttl: Duration) -> Arc<dyn TaskQueue> {
        Arc::new(BlockingQueueAdapter(BlockingQueue::new(self.0.pruning_queue(ttl).await)))
    }

    async fn check(&self) {
        self.0.check().await;
    }
}

#[async_trait]
impl<F: ResultFixture> ResultFixture for Blocking<F> {
    async fn results(&self) -> Arc<dyn ResultStorage> {
        Arc::new(BlockingResultsAdapter(BlockingResults::new(self.0.results().await)))
    }
}

#[async_trait]
impl<F: EventFixture> EventFixture for Blocking<F> {
    async fn events(&self) -> Arc<dyn EventStorage> {
        Arc::new(BlockingEventsAdapter(BlockingEvents::new(self.0.events().await)))
    }
}

#[async_trait]
impl<F: ScheduleFixture> ScheduleFixture for Blocking<F> {
    async fn schedules(&self) -> Arc<dyn ScheduleStorage> {
        Arc::new(BlockingSchedulesAdapter(BlockingSchedules::new(self.0.schedules().await)))
    }

    async fn queue(&self) -> Arc<dyn TaskQueue> {
        self.0.queue().await
    }
}
