//! What each worker of this process holds, so that a graceful end hands it back without a search through the table.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use omniq_core::{Claim, Task, TaskId, WorkerId};

#[derive(Debug, Default)]
pub(super) struct Held {
    claims: Mutex<HashMap<WorkerId, HashMap<TaskId, u32>>>,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, HashMap<TaskId, u32>>> {
        self.claims.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn add(&self, worker: WorkerId, tasks: &[Task]) {
        if tasks.is_empty() {
            return;
        }
        let numbers = tasks.iter().filter_map(|task| Some((task.id, task.claim?.number)));
        self.lock().entry(worker).or_default().extend(numbers);
    }

    pub(super) fn remove(&self, settled: impl Iterator<Item = (TaskId, Claim)>) {
        let mut claims = self.lock();
        for (id, claim) in settled {
            if let Some(tasks) = claims.get_mut(&claim.worker)
                && tasks.get(&id) == Some(&claim.number)
            {
                tasks.remove(&id);
            }
        }
    }

    /// All that this worker holds; nothing is known of it afterwards.
    pub(super) fn take(&self, worker: WorkerId) -> Vec<(TaskId, Claim)> {
        let tasks = self.lock().remove(&worker).unwrap_or_default();
        tasks.into_iter().map(|(id, number)| (id, Claim { worker, number })).collect()
    }
}
