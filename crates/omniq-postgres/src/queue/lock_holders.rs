//! Rows that a settlement or a rescue has skipped because another session has locked them: remembered, so that nothing waits for them
//! again, and logged with that session.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use omniq_core::TaskId;
use omniq_core::sync::locked;

/// How often one session is logged.
const AGAIN: Duration = Duration::from_secs(60);
/// The most tasks that are remembered. Beyond it a settlement waits for a moment again.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct LockHolders {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Tasks whose rows were locked at their last settlement.
    tasks: HashSet<TaskId, RandomState>,
    /// When each session was last logged.
    logged: HashMap<String, Instant>,
}

impl LockHolders {
    fn lock(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }

    /// Whether the row of one of these tasks was locked the last time.
    pub(super) fn hold_any(&self, tasks: impl Iterator<Item = TaskId>) -> bool {
        let known = self.lock();
        !known.tasks.is_empty() && tasks.into_iter().any(|task| known.tasks.contains(&task))
    }

    /// Notes the outcome of a settlement: each task, and whether its row was locked.
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

    /// Logs the sessions that hold rows, each once in [`AGAIN`].
    pub(super) fn log(&self, what: &str, count: i64, holders: &[String]) {
        let names = holders.join(", ");
        if names.is_empty() {
            tracing::debug!(count, "{what} are passed over: others hold their rows by a lock");
            return;
        }
        let mut known = self.lock();
        known.logged.retain(|_, at| at.elapsed() < AGAIN);
        if !known.logged.contains_key(&names) {
            known.logged.insert(names.clone(), Instant::now());
            tracing::warn!(
                count,
                "{what} wait for {names}, which holds their rows by a lock: they are passed over and tried again; end that \
                 transaction"
            );
        }
    }
}
