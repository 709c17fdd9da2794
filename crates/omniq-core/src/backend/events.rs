//! Events beside the work: what goes wrong here is logged and forgotten.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::rest::{Rest, Write};
use crate::model::TaskEvent;
use crate::port::{EventStorage, Location};

/// The longest that a write to a store elsewhere may hold up the work.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long runs wait with their events for room on the disk, or for a lock on the events.
pub(crate) const LACK: Duration = Duration::from_secs(15);

/// Writes events to a store that may fail.
#[derive(Debug, Clone)]
pub(super) struct EventSink {
    store: Arc<dyn EventStorage>,
    /// Whether the store is in the place of the tasks.
    with_tasks: bool,
    rest: Rest,
    /// Since when events that are kept with their tasks have lacked room, or a lock, and when that was last seen.
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

    /// Writes events, or drops them with a word in the log.
    pub(super) async fn log(&self, events: Vec<TaskEvent>) {
        self.write(events, false).await;
    }

    /// The same; of events that are kept with their tasks, what certainly was not written, for a lack that may pass, is given back for another
    /// try, for as long as ends wait with their events.
    pub(super) async fn log_or_give_back(&self, events: Vec<TaskEvent>) -> Vec<TaskEvent> {
        self.write(events, self.with_tasks).await
    }

    async fn write(&self, mut events: Vec<TaskEvent>, gives_back: bool) -> Vec<TaskEvent> {
        // One event that no store could hold must not take the others with it.
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
        // A store that is with the tasks is away when they are: nobody is spared by leaving it alone.
        if !self.with_tasks && self.rest.takes_none(count) {
            return Vec::new();
        }
        let kept = if gives_back { events.clone() } else { Vec::new() };
        let store = Arc::clone(&self.store);
        let mut write = Write::new(self.rest.clone(), async move { store.log_many(events).await });
        let answer = if self.with_tasks {
            // As long as the settling of the same place would be waited for: given up, it could be carried out behind later events.
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

    /// Takes note of a lack of room; whether it has lasted for so long that it may be the events' own.
    pub(super) fn lacks_for_long(&self) -> bool {
        let now = Instant::now();
        let mut lacking = self.lacking();
        let since = match *lacking {
            Some((since, seen)) if now.duration_since(seen) < LACK => since,
            // Another one: what came of the last one was not tried.
            _ => now,
        };
        *lacking = Some((since, now));
        now.duration_since(since) >= LACK
    }

    /// What is lacking now is waited for no longer.
    pub(super) fn wait_no_longer(&self) {
        if let (Some((since, _)), Some(past)) = (&mut *self.lacking(), Instant::now().checked_sub(LACK)) {
            *since = past.min(*since);
        }
    }

    pub(super) fn has_room(&self) {
        *self.lacking() = None;
    }

    fn lacking(&self) -> MutexGuard<'_, Option<(Instant, Instant)>> {
        self.lacking.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether nothing was written, for a reason that may pass: no room (SQLSTATE class 53), a lock or a connection that was not had in
/// time, a statement that was cancelled.
fn is_lack(error: &crate::Error) -> bool {
    error.is_undone()
        || error.is_unsent()
        || error.is_pool_timeout()
        || error.sqlstate().is_some_and(|code| code.starts_with("53"))
}
