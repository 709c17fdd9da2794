//! Writes events that no settlement writes. Failures are logged, and fail nothing else.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::rest::{Rest, Write};
use crate::model::TaskEvent;
use crate::port::{EventStorage, Location};
use crate::sync::locked;

/// The longest that a write to a store elsewhere may delay the work.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long runs wait with their events for room on the disk, or for a lock on the events.
pub(crate) const LACK: Duration = Duration::from_secs(15);

/// Writes events to a store that may fail.
#[derive(Debug, Clone)]
pub(super) struct EventSink {
    store: Arc<dyn EventStorage>,
    /// Whether the store is in the queue's location.
    with_tasks: bool,
    rest: Rest,
    /// Since when events in the queue's location have lacked room, or a lock, and when that was last seen.
    lacking: Arc<Mutex<Option<(Instant, Instant)>>>,
}

impl EventSink {
    pub(super) fn new(store: Arc<dyn EventStorage>, queue: &Location) -> Self {
        let with_tasks = store.location() == *queue;
        Self { store, with_tasks, rest: Rest::default(), lacking: Arc::default() }
    }

    pub(super) fn store(&self) -> &Arc<dyn EventStorage> {
        &self.store
    }

    /// Whether settlements write their events themselves.
    pub(super) fn is_with_tasks(&self) -> bool {
        self.with_tasks
    }

    /// Writes events, or drops them with a warning in the log.
    pub(super) async fn log(&self, events: Vec<TaskEvent>) {
        self.write(events, false).await;
    }

    /// The same, but returns events for another try if they are in the queue's location and were certainly not written,
    /// for a lack that may pass. It does so for as long as settlements wait with their events.
    pub(super) async fn log_or_give_back(&self, events: Vec<TaskEvent>) -> Vec<TaskEvent> {
        self.write(events, self.with_tasks).await
    }

    async fn write(&self, mut events: Vec<TaskEvent>, gives_back: bool) -> Vec<TaskEvent> {
        // One event that no store accepts must not fail the others.
        events.retain(|event| match event.check() {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "an event was dropped");
                false
            }
        });
        if events.is_empty() {
            return events;
        }
        let count = events.len();
        // A store in the queue's location is away when the queue is, so leaving it alone would save nothing.
        if !self.with_tasks && self.rest.takes_none(count) {
            return Vec::new();
        }
        let kept = if gives_back { events.clone() } else { Vec::new() };
        let store = Arc::clone(&self.store);
        let mut write = Write::new(self.rest.clone(), async move { store.log_many(events).await });
        let answer = if self.with_tasks {
            // Without a limit, as a settlement in the same place: a write that is given up could be carried out after
            // later events.
            write.answer().await
        } else {
            match tokio::time::timeout(PATIENCE, write.answer()).await {
                Ok(answer) => answer,
                Err(_) => {
                    tracing::warn!(
                        count,
                        "events may be lost: the event store gave no answer in {PATIENCE:?}; it takes no others until it does"
                    );
                    return Vec::new();
                }
            }
        };
        match answer {
            Ok(()) if self.with_tasks => self.has_room(),
            Ok(()) => {}
            Err(error) if gives_back && is_lack(&error) && !self.lacks_for_long() => {
                tracing::debug!(%error, count, "events could not be written yet");
                return kept;
            }
            Err(error) => {
                tracing::warn!(%error, count, "events were dropped: the event store failed");
                if error.is_transient() {
                    self.rest.begin();
                }
            }
        }
        Vec::new()
    }

    /// Records a lack of room. Returns whether it has lasted for [`LACK`], so that it may concern the events alone.
    pub(super) fn lacks_for_long(&self) -> bool {
        let now = Instant::now();
        let mut lacking = self.lacking();
        let since = match *lacking {
            Some((since, seen)) if now.duration_since(seen) < LACK => since,
            // A new lack: nothing was tried since the last one, so it is unknown how long that one lasted.
            _ => now,
        };
        *lacking = Some((since, now));
        now.duration_since(since) >= LACK
    }

    /// Treats a present lack as one that has lasted for [`LACK`].
    pub(super) fn wait_no_longer(&self) {
        if let (Some((since, _)), Some(past)) = (&mut *self.lacking(), Instant::now().checked_sub(LACK)) {
            *since = past.min(*since);
        }
    }

    pub(super) fn has_room(&self) {
        *self.lacking() = None;
    }

    fn lacking(&self) -> MutexGuard<'_, Option<(Instant, Instant)>> {
        locked(&self.lacking)
    }
}

/// Whether nothing was written, for a reason that may pass: no room (SQLSTATE class 53), a lock or a connection that
/// was not obtained in time, a statement that was cancelled.
fn is_lack(error: &crate::Error) -> bool {
    error.is_undone()
        || error.is_unsent()
        || error.is_pool_timeout()
        || error.sqlstate().is_some_and(|code| code.starts_with("53"))
}
