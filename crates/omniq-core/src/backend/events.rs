//! Events beside the work: what goes wrong here is logged and forgotten.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::model::TaskEvent;
use crate::port::EventStorage;

/// The longest that a write may hold up whoever logs.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long ends wait with their events for room on the disk.
const FULL: Duration = Duration::from_secs(5);
/// How long a store that did not answer is left alone, so that its failures cost the work nothing.
const REST: Duration = Duration::from_secs(1);

/// Writes events to a store that may fail.
#[derive(Debug, Clone)]
pub(super) struct EventSink {
    store: Arc<dyn EventStorage>,
    rests_until: Arc<Mutex<Option<Instant>>>,
    /// Since when there has been no room for events that are written with their tasks.
    full_since: Arc<Mutex<Option<Instant>>>,
}

impl EventSink {
    pub(super) fn new(store: Arc<dyn EventStorage>) -> Self {
        Self { store, rests_until: Arc::default(), full_since: Arc::default() }
    }

    pub(super) fn store(&self) -> &Arc<dyn EventStorage> {
        &self.store
    }

    pub(super) async fn log(&self, mut events: Vec<TaskEvent>) {
        // One event that no store could hold must not take the others with it.
        events.retain(|event| match event.check() {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "an event was dropped");
                false
            }
        });
        if events.is_empty() {
            return;
        }
        let count = events.len();
        if self.rests() {
            tracing::debug!(count, "events were dropped: the event store rests after a failure");
            return;
        }
        match tokio::time::timeout(PATIENCE, self.store.log_many(events)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, count, "events were dropped: the event store failed");
                if error.is_transient() {
                    self.rest();
                }
            }
            Err(_) => {
                tracing::warn!(count, "events were dropped: the event store gave no answer in {PATIENCE:?}");
                self.rest();
            }
        }
    }

    /// Takes note of a lack of room; whether it has lasted for so long that it may be the events' own.
    pub(super) fn lacks_room_for_long(&self) -> bool {
        let mut since = self.full_since.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        since.get_or_insert_with(Instant::now).elapsed() >= FULL
    }

    pub(super) fn has_room(&self) {
        *self.full_since.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }

    fn rests(&self) -> bool {
        let until = self.rests_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        *self.rests_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            Some(Instant::now() + REST);
    }
}
