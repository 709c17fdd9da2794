//! What a test keeps in memory: tasks, results and events by one clock. They outlive the backends that are opened on them.

use std::sync::Arc;

use omniq::storage::memory::{Clock, MemoryEventStorage, MemoryQueue, MemoryResultStorage};
use omniq::{Backend as Core, Limits};
use pyo3::prelude::*;

use crate::convert::time::{Span, optional_datetime, to_datetime};
use crate::settings::Settings;

/// The three storages and their clock.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Memory {
    queue: MemoryQueue,
    results: MemoryResultStorage,
    events: MemoryEventStorage,
    clock: Clock,
}

impl Memory {
    /// A backend on the storages, which is closed by itself.
    pub(crate) fn open(&self, settings: &Settings) -> Core {
        let settings = &settings.0;
        let mut limits = Limits::default();
        limits.max_payload = settings.max_payload;
        let queue = self
            .queue
            .reopen(limits.clone(), settings.keep_completed)
            .with_lease(settings.lease)
            .with_retention(settings.completed_ttl, settings.dead_ttl);
        Core::new(Arc::new(queue))
            .with_results(Arc::new(self.results.with_limits(limits.clone())))
            .with_events(Arc::new(self.events.reopen()))
            .with_result_ttl(settings.result_ttl)
            .with_event_ttl(settings.event_ttl)
            .with_keep_args(settings.keep_args)
            .with_limits(limits)
    }
}

#[pymethods]
impl Memory {
    #[new]
    fn new() -> Self {
        let clock = Clock::new();
        Self {
            queue: MemoryQueue::new().with_clock(clock.clone()),
            results: MemoryResultStorage::new().with_clock(clock.clone()),
            events: MemoryEventStorage::new(),
            clock,
        }
    }

    /// The time by the clock.
    fn now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_datetime(py, self.clock.now())
    }

    /// Sets the clock forward.
    fn advance(&self, by: Span) {
        self.clock.advance(by.0);
    }

    /// When the next scheduled task becomes due; `None` if no task is scheduled.
    fn next_due<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        optional_datetime(py, self.queue.next_due())
    }
}
