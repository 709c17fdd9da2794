//! The runs of a session by task, so that they can be told to stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use foldhash::fast::RandomState;

use crate::handler::{Context, StopReason};
use crate::model::TaskId;

/// What runs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<TaskId, Context, RandomState>>>);

/// One entry; gone when it is dropped, however the run ended.
#[derive(Debug)]
pub(super) struct Entry {
    id: TaskId,
    running: Running,
}

impl Running {
    pub(super) fn add(&self, context: &Context) -> Entry {
        let id = context.id();
        self.lock().insert(id, context.clone());
        Entry { id, running: self.clone() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn all(&self) -> Vec<Context> {
        self.lock().values().cloned().collect()
    }

    /// Tells one run to stop; `false` if there is none of this task.
    pub(super) fn stop(&self, id: TaskId, reason: StopReason) -> bool {
        let context = self.lock().get(&id).cloned();
        context.map(|context| context.stop(reason)).is_some()
    }

    pub(super) fn stop_all(&self, reason: StopReason) {
        self.all().iter().for_each(|context| context.stop(reason));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Context, RandomState>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // A handler may have left the last clone of its context here, with whatever that drops; not under the lock.
        let context = self.running.lock().remove(&self.id);
        drop(context);
    }
}
