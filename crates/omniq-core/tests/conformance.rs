//! The suite on the in-memory backend, async and through the blocking twins.
#![cfg(feature = "conformance")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::conformance::{Blocking, EventFixture, QueueFixture, ResultFixture, ScheduleFixture};
use omniq_core::*;

/// Stores in this process's memory.
struct Memory {
    tasks: MemoryQueue,
    results: MemoryResultStorage,
    events: MemoryEventStorage,
}

fn memory() -> Memory {
    Memory {
        tasks: MemoryQueue::new(),
        results: MemoryResultStorage::new(),
        events: MemoryEventStorage::new(),
    }
}

#[async_trait]
impl QueueFixture for Memory {
    async fn queue_with(&self, limits: Limits, keep_completed: bool) -> Arc<dyn TaskQueue> {
        Arc::new(self.tasks.reopen(limits, keep_completed))
    }

    async fn pruning_queue(&self, ttl: Duration) -> Arc<dyn TaskQueue> {
        Arc::new(self.tasks.reopen(Limits::default(), true).with_retention(Some(ttl), Some(ttl)))
    }
}

#[async_trait]
impl ResultFixture for Memory {
    async fn results(&self) -> Arc<dyn ResultStorage> {
        Arc::new(self.results.reopen())
    }
}

#[async_trait]
impl EventFixture for Memory {
    async fn events(&self) -> Arc<dyn EventStorage> {
        Arc::new(self.events.reopen())
    }
}

#[async_trait]
impl ScheduleFixture for Memory {
    async fn schedules(&self) -> Arc<dyn ScheduleStorage> {
        Arc::new(MemoryScheduleStorage::new(&self.tasks.reopen(Limits::default(), false)))
    }

    async fn queue(&self) -> Arc<dyn TaskQueue> {
        QueueFixture::queue(self).await
    }
}

mod c05_queue {
    omniq_core::queue_conformance!(super::memory());
}

mod c05_results {
    omniq_core::result_conformance!(super::memory());
}

mod c05_events {
    omniq_core::event_conformance!(super::memory());
}

mod c05_blocking_queue {
    omniq_core::queue_conformance!(super::Blocking(super::memory()));
}

mod c05_blocking_results {
    omniq_core::result_conformance!(super::Blocking(super::memory()));
}

mod c05_blocking_events {
    omniq_core::event_conformance!(super::Blocking(super::memory()));
}

mod c05_schedules {
    omniq_core::schedule_conformance!(super::memory());
}

mod c05_blocking_schedules {
    omniq_core::schedule_conformance!(super::Blocking(super::memory()));
}
