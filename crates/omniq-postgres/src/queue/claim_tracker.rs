//! The claims of this process's workers: so that a worker that leaves can release its tasks without a scan of the table, and so that
//! orphaned claims are detected. `docs/decisions/0006-orphaned-claims.md`.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use foldhash::fast::RandomState;
use omniq_core::sync::locked;
use omniq_core::{Claim, Task, TaskId, WorkerId};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Which tasks each worker of this process holds.
#[derive(Debug, Default)]
pub(crate) struct ClaimTracker {
    known: Mutex<Known>,
    /// Read-locked while a claim is in flight, write-locked by the search for orphaned claims, which must not see a claim that is still in
    /// flight.
    in_flight: RwLock<()>,
}

#[derive(Debug, Default)]
struct Known {
    claims: HashMap<WorkerId, HashMap<TaskId, Held, RandomState>>,
    /// Workers that may hold tasks that are not known here.
    uncertain: HashSet<WorkerId>,
    /// The epochs of workers that had to reconcile. The others are in epoch 0.
    epochs: HashMap<WorkerId, i32>,
    /// Those of the claims that transactions of the user may have ended.
    ending: HashSet<(TaskId, Claim)>,
    /// How many of these there were after the last look at which have ended.
    ending_left: usize,
}

/// A claim of a worker.
#[derive(Debug, Clone, Copy)]
struct Held {
    number: u32,
    /// Whether the task was in a row of its own when it was claimed. It is there still, as rows only become shorter; false says nothing.
    alone: bool,
}

impl Known {
    fn held(&self, id: TaskId, claim: Claim) -> Option<Held> {
        let held = self.claims.get(&claim.worker)?.get(&id)?;
        (held.number == claim.number).then_some(*held)
    }
}

/// From this many on it is looked for claims that transactions of the user have ended.
pub(super) const MANY: usize = 1_000;

impl ClaimTracker {
    fn lock(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }

    /// Begins a claim. If it is sent and then dropped without an answer, because the connection broke or the caller gave up, its worker
    /// may hold orphaned claims. `None`: that is so already, and the worker must reconcile first.
    pub(super) async fn begin(&self, worker: WorkerId) -> Option<ClaimGuard<'_>> {
        let shared = self.in_flight.read().await;
        let known = self.lock();
        if known.uncertain.contains(&worker) {
            return None;
        }
        let epoch = known.epochs.get(&worker).copied().unwrap_or(0);
        Some(ClaimGuard { tracker: self, worker, epoch, sent: false, answered: false, _shared: shared })
    }

    /// From now on this worker may hold tasks that are not known here.
    pub(crate) fn lose_track(&self, worker: WorkerId) {
        self.lock().uncertain.insert(worker);
    }

    /// Keeps reconciliations away, so that tasks that were handed off can be added.
    pub(crate) async fn shared(&self) -> SharedGuard<'_> {
        SharedGuard { tracker: self, _shared: self.in_flight.read().await }
    }

    /// Whether this worker holds the task, as far as this process knows.
    pub(super) fn holds(&self, worker: WorkerId, id: TaskId) -> bool {
        self.lock().claims.get(&worker).is_some_and(|tasks| tasks.contains_key(&id))
    }

    /// Whether all these tasks are held by these claims, and are in rows of their own.
    pub(super) fn are_alone(&self, claims: impl IntoIterator<Item = (TaskId, Claim)>) -> bool {
        let known = self.lock();
        claims.into_iter().all(|(id, claim)| known.held(id, claim).is_some_and(|held| held.alone))
    }

    pub(super) fn is_uncertain(&self, worker: WorkerId) -> bool {
        self.lock().uncertain.contains(&worker)
    }

    /// Waits for all claims in flight, and keeps new ones of this process back until the answer is dropped.
    pub(super) async fn reconcile(&self, worker: WorkerId) -> Reconcile<'_> {
        Reconcile { tracker: self, worker, _exclusive: self.in_flight.write().await }
    }

    fn add(&self, worker: WorkerId, tasks: &[Task], alone: bool) {
        if tasks.is_empty() {
            return;
        }
        let held = |task: &Task| Some((task.id, Held { number: task.claim?.number, alone }));
        self.lock().claims.entry(worker).or_default().extend(tasks.iter().filter_map(held));
    }

    pub(super) fn remove(&self, settled: impl Iterator<Item = (TaskId, Claim)>) {
        let mut known = self.lock();
        for (id, claim) in settled {
            if let Some(tasks) = known.claims.get_mut(&claim.worker)
                && tasks.get(&id).is_some_and(|held| held.number == claim.number)
            {
                tasks.remove(&id);
            }
            known.ending.remove(&(id, claim));
        }
        known.ending_left = known.ending_left.min(known.ending.len());
    }

    /// Notes claims that a transaction of the user is about to end. Returns all such claims if they have become so many that it is time to
    /// [remove](Self::remove) those that have ended.
    pub(super) fn end_inside(
        &self,
        claims: impl IntoIterator<Item = (TaskId, Claim)>,
    ) -> Option<Vec<(TaskId, Claim)>> {
        let mut known = self.lock();
        let held: Vec<_> =
            claims.into_iter().filter(|(id, claim)| known.held(*id, *claim).is_some()).collect();
        let Known { ending, ending_left, .. } = &mut *known;
        ending.extend(held);
        // Twice as many as were left, so that each is looked at twice on average.
        if ending.len() < MANY.max(2 * *ending_left) {
            return None;
        }
        *ending_left = ending.len();
        Some(ending.iter().copied().collect())
    }

    /// Those of a worker's claims that transactions of the user may be about to end.
    pub(super) fn ending_of(&self, worker: WorkerId) -> HashSet<TaskId> {
        self.lock().ending.iter().filter(|(_, claim)| claim.worker == worker).map(|(id, _)| *id).collect()
    }

    /// The number of claims.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.lock().claims.values().map(HashMap::len).sum()
    }

    /// Takes all claims of this worker.
    pub(super) fn take(&self, worker: WorkerId) -> Vec<(TaskId, Claim)> {
        let mut known = self.lock();
        known.uncertain.remove(&worker);
        known.epochs.remove(&worker);
        known.ending.retain(|(_, claim)| claim.worker != worker);
        known.ending_left = known.ending_left.min(known.ending.len());
        let tasks = known.claims.remove(&worker).unwrap_or_default();
        tasks.into_iter().map(|(id, held)| (id, Claim { worker, number: held.number })).collect()
    }
}

/// A claim in flight.
#[derive(Debug)]
pub(super) struct ClaimGuard<'a> {
    tracker: &'a ClaimTracker,
    worker: WorkerId,
    pub(super) epoch: i32,
    sent: bool,
    answered: bool,
    _shared: RwLockReadGuard<'a, ()>,
}

impl ClaimGuard<'_> {
    /// From now on the server may carry it out.
    pub(super) fn sent(&mut self) {
        self.sent = true;
    }

    /// The answer has arrived: these tasks, or none because the claim was refused. `alone`: all of them are in rows of their own.
    pub(super) fn answered(mut self, tasks: &[Task], alone: bool) {
        self.answered = true;
        self.tracker.add(self.worker, tasks, alone);
    }
}

impl Drop for ClaimGuard<'_> {
    fn drop(&mut self) {
        if self.sent && !self.answered {
            self.tracker.lock().uncertain.insert(self.worker);
        }
    }
}

/// As long as one exists, no reconciliation begins.
#[derive(Debug)]
pub(crate) struct SharedGuard<'a> {
    tracker: &'a ClaimTracker,
    _shared: RwLockReadGuard<'a, ()>,
}

impl SharedGuard<'_> {
    /// Adds a task that was handed off to a worker. `false` if it is known already, or if a reconciliation, which began the worker's
    /// present epoch, has found it before its notification arrived, and has released it.
    pub(crate) fn add_handed_off(&self, worker: WorkerId, epoch: i32, task: &Task) -> bool {
        let mut known = self.tracker.lock();
        let Some(claim) = task.claim else { return false };
        let held = Held { number: claim.number, alone: true };
        epoch == known.epochs.get(&worker).copied().unwrap_or(0)
            && known.claims.entry(worker).or_default().insert(task.id, held).is_none()
    }

    pub(crate) fn lose_track(&self, worker: WorkerId) {
        self.tracker.lose_track(worker);
    }
}

/// The search for the orphaned claims of a worker.
#[derive(Debug)]
pub(super) struct Reconcile<'a> {
    tracker: &'a ClaimTracker,
    pub(super) worker: WorkerId,
    _exclusive: RwLockWriteGuard<'a, ()>,
}

impl Reconcile<'_> {
    /// Whether the worker knows that it holds this task by this claim.
    pub(super) fn knows(&self, task: TaskId, number: u32) -> bool {
        self.tracker.lock().held(task, Claim { worker: self.worker, number }).is_some()
    }

    /// Adds claims that could not be released yet.
    pub(super) fn keep(&self, claims: &[(TaskId, Claim)]) {
        let held = claims.iter().map(|(task, claim)| (*task, Held { number: claim.number, alone: false }));
        self.tracker.lock().claims.entry(self.worker).or_default().extend(held);
    }

    /// Whether it is still needed: an earlier one may have found everything.
    pub(super) fn is_needed(&self) -> bool {
        self.tracker.is_uncertain(self.worker)
    }

    /// The worker is in this epoch now: claims of earlier ones are refused.
    pub(super) fn in_epoch(&self, epoch: i32) {
        self.tracker.lock().epochs.insert(self.worker, epoch);
    }

    /// Everything was found and released.
    pub(super) fn finish(&self) {
        self.tracker.lock().uncertain.remove(&self.worker);
    }
}
