//! What each worker of this process holds: so that a graceful end hands it back without a search through the table, and
//! so that tasks whose claim was carried out while its answer was lost are found again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use foldhash::fast::RandomState;
use omniq_core::{Claim, Task, TaskId, WorkerId};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Debug, Default)]
pub(super) struct Held {
    known: Mutex<Known>,
    /// Shared by claims from when they are sent until their tasks are known; exclusive for a search for lost ones, which
    /// would else find what another claim is about to report.
    flights: RwLock<()>,
}

#[derive(Debug, Default)]
struct Known {
    claims: HashMap<WorkerId, HashMap<TaskId, u32, RandomState>>,
    /// Workers that may hold more than is known here.
    unsure: HashSet<WorkerId>,
    /// Of workers that had to search; 0 for the others.
    epochs: HashMap<WorkerId, i32>,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Begins a claim. Once it was sent, and unless it lands, its worker may hold tasks that nobody knows of: the connection broke off before
    /// the answer, or the caller gave up waiting. `None`: that is so already, and it must search first.
    pub(super) async fn take_off(&self, worker: WorkerId) -> Option<Flight<'_>> {
        let shared = self.flights.read().await;
        let known = self.lock();
        if known.unsure.contains(&worker) {
            return None;
        }
        let epoch = known.epochs.get(&worker).copied().unwrap_or(0);
        Some(Flight { held: self, worker, epoch, sent: false, landed: false, _shared: shared })
    }

    /// From now on this worker may hold more than is known here.
    pub(super) fn lose_track(&self, worker: WorkerId) {
        self.lock().unsure.insert(worker);
    }

    /// Keeps searches away: what is handed to workers can be made known.
    pub(super) async fn stay(&self) -> Ground<'_> {
        Ground { held: self, _shared: self.flights.read().await }
    }

    pub(super) fn is_unsure(&self, worker: WorkerId) -> bool {
        self.lock().unsure.contains(&worker)
    }

    /// Keeps all claims of this process on the ground until the search is dropped.
    pub(super) async fn search(&self, worker: WorkerId) -> Search<'_> {
        Search { held: self, worker, _exclusive: self.flights.write().await }
    }

    fn add(&self, worker: WorkerId, tasks: &[Task]) {
        if tasks.is_empty() {
            return;
        }
        let numbers = tasks.iter().filter_map(|task| Some((task.id, task.claim?.number)));
        self.lock().claims.entry(worker).or_default().extend(numbers);
    }

    pub(super) fn remove(&self, settled: impl Iterator<Item = (TaskId, Claim)>) {
        let mut known = self.lock();
        for (id, claim) in settled {
            if let Some(tasks) = known.claims.get_mut(&claim.worker)
                && tasks.get(&id) == Some(&claim.number)
            {
                tasks.remove(&id);
            }
        }
    }

    /// All that this worker holds; nothing is known of it afterwards.
    pub(super) fn take(&self, worker: WorkerId) -> Vec<(TaskId, Claim)> {
        let mut known = self.lock();
        known.unsure.remove(&worker);
        known.epochs.remove(&worker);
        let tasks = known.claims.remove(&worker).unwrap_or_default();
        tasks.into_iter().map(|(id, number)| (id, Claim { worker, number })).collect()
    }
}

/// A claim under way.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    held: &'a Held,
    worker: WorkerId,
    pub(super) epoch: i32,
    sent: bool,
    landed: bool,
    _shared: RwLockReadGuard<'a, ()>,
}

impl Flight<'_> {
    /// From now on it may be carried out.
    pub(super) fn sent(&mut self) {
        self.sent = true;
    }

    /// The answer is here: these tasks, or none because the claim was refused.
    pub(super) fn land(mut self, tasks: &[Task]) {
        self.landed = true;
        self.held.add(self.worker, tasks);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if self.sent && !self.landed {
            self.held.lock().unsure.insert(self.worker);
        }
    }
}

/// While there is one no search is under way.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    held: &'a Held,
    _shared: RwLockReadGuard<'a, ()>,
}

impl Ground<'_> {
    /// Makes a task known that was handed to a worker. `false` if it is already, or if a search, which began this worker's present
    /// epoch, has found it before it was heard of, and has handed it back.
    pub(super) fn hear(&self, worker: WorkerId, epoch: i32, task: &Task) -> bool {
        let mut known = self.held.lock();
        let Some(claim) = task.claim else { return false };
        epoch == known.epochs.get(&worker).copied().unwrap_or(0)
            && known.claims.entry(worker).or_default().insert(task.id, claim.number).is_none()
    }

    pub(super) fn lose_track(&self, worker: WorkerId) {
        self.held.lose_track(worker);
    }
}

/// A search for tasks that a worker holds without knowing it.
#[derive(Debug)]
pub(super) struct Search<'a> {
    held: &'a Held,
    pub(super) worker: WorkerId,
    _exclusive: RwLockWriteGuard<'a, ()>,
}

impl Search<'_> {
    /// Whether the worker knows that it holds this task by this claim.
    pub(super) fn knows(&self, task: TaskId, number: u32) -> bool {
        let known = self.held.lock();
        known.claims.get(&self.worker).is_some_and(|tasks| tasks.get(&task) == Some(&number))
    }

    /// What could not be handed back yet is held like the rest.
    pub(super) fn keep(&self, claims: &[(TaskId, Claim)]) {
        let numbers = claims.iter().map(|(task, claim)| (*task, claim.number));
        self.held.lock().claims.entry(self.worker).or_default().extend(numbers);
    }

    /// Whether there is still something to search for: a search before this one may have found it.
    pub(super) fn is_needed(&self) -> bool {
        self.held.is_unsure(self.worker)
    }

    /// The search began this epoch: claims of earlier ones are refused.
    pub(super) fn in_epoch(&self, epoch: i32) {
        self.held.lock().epochs.insert(self.worker, epoch);
    }

    /// What was found is dealt with: the worker knows again all that it holds.
    pub(super) fn is_over(&self) {
        self.held.lock().unsure.remove(&self.worker);
    }
}
