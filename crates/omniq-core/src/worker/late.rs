//! Events of runs that found no room on their way to the settler: kept by run, in their order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::model::{TaskEvent, TaskId};

/// How many events of one run are kept; later ones are dropped.
const MOST: usize = 1000;

/// Shared by those who hand over and the settler. What is sent of a run is sent with this locked, so that the order stays.
#[derive(Debug, Clone, Default)]
pub(super) struct Late(Arc<Mutex<HashMap<TaskId, Events>>>);

#[derive(Debug, Default)]
struct Events {
    kept: VecDeque<TaskEvent>,
    /// The log tells of the first that is dropped.
    told: bool,
}

/// The events, locked.
pub(super) struct Locked<'a>(MutexGuard<'a, HashMap<TaskId, Events>>);

impl Late {
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked(self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
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
        } else if !std::mem::replace(&mut events.told, true) {
            tracing::warn!(task = %run, "events of a run are dropped: {MOST} wait for a storage that is behind");
        }
    }

    /// The earliest of this run.
    pub(super) fn next(&mut self, run: TaskId) -> Option<TaskEvent> {
        let events = self.0.get_mut(&run)?;
        let event = events.kept.pop_front();
        if events.kept.is_empty() {
            self.0.remove(&run);
        }
        event
    }

    /// All of this run.
    pub(super) fn take(&mut self, run: TaskId) -> impl Iterator<Item = TaskEvent> + use<> {
        self.0.remove(&run).unwrap_or_default().kept.into_iter()
    }

    /// All of all runs.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = TaskEvent> + use<> {
        std::mem::take(&mut *self.0).into_values().flat_map(|events| events.kept)
    }
}
