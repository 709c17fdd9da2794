//! Events beside the work: what goes wrong here is logged and forgotten.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::Result;
use crate::model::TaskEvent;
use crate::port::EventStorage;

/// The longest that a write may hold up whoever logs.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long runs wait with their events for room on the disk, or for a lock on the events.
pub(crate) const LACK: Duration = Duration::from_secs(15);
/// How long a store that failed is left alone, so that its failures cost the work nothing.
const REST: Duration = Duration::from_secs(1);
/// How long the answer to a write is waited for that nobody waits for any more.
const LAST_ANSWER: Duration = Duration::from_secs(60);

/// Writes events to a store that may fail.
#[derive(Debug, Clone)]
pub(super) struct EventSink {
    store: Arc<dyn EventStorage>,
    rests_until: Arc<Mutex<Option<Instant>>>,
    /// Writes that their callers have given up, and that may still be carried out.
    given_up: Arc<AtomicUsize>,
    /// Since when events that are kept with their tasks have lacked room, or a lock, and when that was last seen.
    lacking: Arc<Mutex<Option<(Instant, Instant)>>>,
}

impl EventSink {
    pub(super) fn new(store: Arc<dyn EventStorage>) -> Self {
        Self { store, rests_until: Arc::default(), given_up: Arc::default(), lacking: Arc::default() }
    }

    pub(super) fn store(&self) -> &Arc<dyn EventStorage> {
        &self.store
    }

    /// Writes events, or drops them with a word in the log.
    pub(super) async fn log(&self, events: Vec<TaskEvent>) {
        self.write(events, false).await;
    }

    /// The same for events that are kept with their tasks: what certainly was not written, for a lack that may pass, is given back for
    /// another try, for as long as ends wait with their events.
    pub(super) async fn log_or_give_back(&self, events: Vec<TaskEvent>) -> Vec<TaskEvent> {
        self.write(events, true).await
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
        if !gives_back && self.rests() {
            tracing::debug!(count, "events were dropped: the event store rests after a failure");
            return Vec::new();
        }
        let kept = if gives_back { events.clone() } else { Vec::new() };
        let answer = if gives_back {
            // As long as the settling of the same place would be waited for. Given up it could be carried out behind later events.
            self.store.log_many(events).await
        } else {
            match self.answer_in_time(events).await {
                Some(answer) => answer,
                None => {
                    tracing::warn!(
                        count,
                        "events may be lost: the event store gave no answer in {PATIENCE:?}; it rests until it does"
                    );
                    return Vec::new();
                }
            }
        };
        match answer {
            Ok(()) if gives_back => self.has_room(),
            Ok(()) => {}
            Err(error) if gives_back && is_lack(&error) && !self.lacks_for_long() => {
                tracing::debug!(%error, count, "events could not be written yet");
                return kept;
            }
            Err(error) => {
                tracing::warn!(%error, count, "events were dropped: the event store failed");
                if error.is_transient() {
                    self.rest();
                }
            }
        }
        Vec::new()
    }

    /// `None`: the write goes on by itself, and the store rests until it is over. A write that is dropped may be carried out all the
    /// same, behind what is written later.
    async fn answer_in_time(&self, events: Vec<TaskEvent>) -> Option<Result<()>> {
        let store = Arc::clone(&self.store);
        let mut write = Box::pin(async move { store.log_many(events).await });
        if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut write).await {
            return Some(answer);
        }
        let over = Over::new(&self.given_up);
        tokio::spawn(async move {
            if !matches!(tokio::time::timeout(LAST_ANSWER, write).await, Ok(Ok(()))) {
                tracing::warn!("events were dropped: the event store gave no answer, or failed");
            }
            drop(over);
        });
        None
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

    fn rests(&self) -> bool {
        if self.given_up.load(Ordering::Acquire) > 0 {
            return true;
        }
        let until = self.rests_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        until.is_some_and(|until| Instant::now() < until)
    }

    fn rest(&self) {
        *self.rests_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            Some(Instant::now() + REST);
    }
}

/// A write that was given up, until it is over.
struct Over(Arc<AtomicUsize>);

impl Over {
    fn new(given_up: &Arc<AtomicUsize>) -> Self {
        given_up.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(given_up))
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether nothing was written, for a reason that may pass: no room (SQLSTATE class 53), a lock or a connection that was not had in
/// time, a statement that was cancelled.
fn is_lack(error: &crate::Error) -> bool {
    error.is_undone()
        || error.is_pool_timeout()
        || error.sqlstate().is_some_and(|code| code.starts_with("53"))
}
