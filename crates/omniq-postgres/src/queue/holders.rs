//! Who holds rows by a lock that a settlement or a rescue has passed over: remembered, so that nothing waits for them again, and told.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use omniq_core::TaskId;

/// How often the log tells of one and the same session.
const AGAIN: Duration = Duration::from_secs(60);
/// What is remembered at most; beyond, a settlement waits a moment once more.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Holders {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Tasks whose rows were held when they were to be settled.
    tasks: HashSet<TaskId, RandomState>,
    /// When the log told of a session.
    told: HashMap<String, Instant>,
}

impl Holders {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether one of these was found held the last time.
    pub(super) fn hold_any(&self, tasks: impl Iterator<Item = TaskId>) -> bool {
        let known = self.lock();
        !known.tasks.is_empty() && tasks.into_iter().any(|task| known.tasks.contains(&task))
    }

    /// Takes note of what a settlement has found.
    pub(super) fn settled(&self, answers: impl Iterator<Item = (TaskId, bool)>) {
        let mut known = self.lock();
        for (task, busy) in answers {
            if busy && known.tasks.len() < MOST {
                known.tasks.insert(task);
            } else if !busy && !known.tasks.is_empty() {
                known.tasks.remove(&task);
            }
        }
    }

    /// Tells who holds, not too often.
    pub(super) fn tell(&self, what: &str, count: i64, holders: &[String]) {
        let names = holders.join(", ");
        if names.is_empty() {
            tracing::debug!(count, "{what} are passed over: others hold their rows by a lock");
            return;
        }
        let mut known = self.lock();
        known.told.retain(|_, at| at.elapsed() < AGAIN);
        if !known.told.contains_key(&names) {
            known.told.insert(names.clone(), Instant::now());
            tracing::warn!(
                count,
                "{what} wait for {names}, which holds their rows by a lock: they are passed over and tried again; end that \
                 transaction"
            );
        }
    }
}
