//! Queue, results and events in one location: a queue that writes results and events in its own settle, as PostgreSQL's
//! does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omniq_core::layers::{EventsLayer, MaintenanceLayer, QueueLayer, ResultsLayer, WorkerLayer};
use omniq_core::*;

/// Queue, results and events with one location.
#[derive(Debug, Clone)]
pub(crate) struct Joint {
    pub(crate) queue: MemoryQueue,
    pub(crate) results: MemoryResultStorage,
    pub(crate) events: MemoryEventStorage,
    events_fail: Arc<AtomicBool>,
    undone: Arc<Mutex<Vec<&'static str>>>,
    logs_undone: Arc<Mutex<Vec<&'static str>>>,
    /// The event store accepts no events by its own verbs, so that all that it holds came with a settle.
    only_by_settle: bool,
}

impl Joint {
    pub(crate) fn new(only_by_settle: bool) -> Self {
        Self {
            queue: MemoryQueue::new(),
            results: MemoryResultStorage::new(),
            events: MemoryEventStorage::new(),
            events_fail: Arc::default(),
            undone: Arc::default(),
            logs_undone: Arc::default(),
            only_by_settle,
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        let all = Arc::new(self.clone());
        Backend::new(Arc::clone(&all) as Arc<dyn TaskQueue>)
            .with_results(Arc::clone(&all) as Arc<dyn ResultStorage>)
            .with_events(all)
    }

    /// From now on a settle with events fails, for a reason that does not pass by waiting.
    pub(crate) fn break_events(&self) {
        self.events_fail.store(true, Ordering::SeqCst);
    }

    /// The next settles with events fail with these SQLSTATEs, the last one first.
    pub(crate) fn undo(&self, codes: &[&'static str]) {
        self.undone.lock().unwrap().extend(codes);
    }

    /// The next writes of events alone fail with these SQLSTATEs, the last one first.
    pub(crate) fn undo_logs(&self, codes: &[&'static str]) {
        self.logs_undone.lock().unwrap().extend(codes);
    }

    async fn settle_together(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        let with_events = batch.iter().any(|one| !one.events.is_empty());
        if let Some(code) = with_events.then(|| self.undone.lock().unwrap().pop()).flatten() {
            return Err(undone(code));
        }
        if self.events_fail.load(Ordering::SeqCst) && batch.iter().any(|one| !one.events.is_empty()) {
            return Err(Error::schema_missing("the events table is gone for the test"));
        }
        let bare = batch.iter().cloned().map(|one| Settlement { result: None, events: Vec::new(), ..one });
        let settled = self.queue.settle(&bare.collect::<Vec<_>>(), mode).await?;
        for (one, answer) in batch.iter().cloned().zip(&settled) {
            if *answer == Settled::Done {
                self.results.store_many(one.result.into_iter().collect()).await?;
                self.events.log_many(one.events).await?;
            }
        }
        Ok(settled)
    }
}

fn undone(code: &str) -> Error {
    let make = if code.starts_with("53") { Error::unavailable } else { Error::internal };
    make("undone for the test").with_sqlstate(code)
}

#[async_trait]
impl QueueLayer for Joint {
    fn below(&self) -> &dyn TaskQueue {
        &self.queue
    }

    async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        self.settle_together(batch, mode).await
    }
}

impl WorkerLayer for Joint {
    fn below(&self) -> &dyn WorkerQueue {
        &self.queue
    }
}

impl MaintenanceLayer for Joint {
    fn below(&self) -> &dyn QueueMaintenance {
        &self.queue
    }
}

impl ResultsLayer for Joint {
    fn below(&self) -> &dyn ResultStorage {
        &self.results
    }

    fn location(&self) -> Location {
        self.queue.location()
    }
}

#[async_trait]
impl EventsLayer for Joint {
    fn below(&self) -> &dyn EventStorage {
        &self.events
    }

    fn location(&self) -> Location {
        self.queue.location()
    }

    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()> {
        if self.only_by_settle {
            return Err(Error::internal("this store takes events only with a settle, for the test"));
        }
        if let Some(code) = self.logs_undone.lock().unwrap().pop() {
            return Err(undone(code));
        }
        self.events.log_many(events).await
    }
}
