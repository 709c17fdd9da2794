//! Events of runs that found no room in the outbox: kept by run, in order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::model::{TaskEvent, TaskId};
use crate::sync::locked;

/// The most events that are kept of one run. Later ones are dropped.
const MOST: usize = 1000;

/// Shared by the runs and the completer. While a run's events are sent this is locked, so that they keep their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Overflow(Arc<Mutex<HashMap<TaskId, Events>>>);

#[derive(Debug, Default)]
struct Events {
    kept: VecDeque<TaskEvent>,
    /// The first event that is dropped is logged.
    logged: bool,
}

/// The events, locked.
pub(super) struct Locked<'a>(MutexGuard<'a, HashMap<TaskId, Events>>);

impl Overflow {
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked(locked(&self.0))
    }
}

impl Locked<'_> {
    pub(super) fn has(&self, run: TaskId) -> bool {
        self.0.contains_key(&run)
    }

    pub(super) fn put(&mut self, run: TaskId, event: TaskEvent) {
        let events = self.0.entry(run).or_default();
        if events.kept.len() < MOST {
            events.kept.push_back(event);
        } else if !std::mem::replace(&mut events.logged, true) {
            tracing::warn!(task = %run, "events of a run are dropped: {MOST} wait for a storage that is behind");
        }
    }

    /// The earliest event of this run.
    pub(super) fn next(&mut self, run: TaskId) -> Option<TaskEvent> {
        let events = self.0.get_mut(&run)?;
        let event = events.kept.pop_front();
        if events.kept.is_empty() {
            self.0.remove(&run);
        }
        event
    }

    /// All events of this run.
    pub(super) fn take(&mut self, run: TaskId) -> impl Iterator<Item = TaskEvent> + use<> {
        self.0.remove(&run).unwrap_or_default().kept.into_iter()
    }

    /// All events of all runs.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = TaskEvent> + use<> {
        std::mem::take(&mut *self.0).into_values().flat_map(|events| events.kept)
    }
}
