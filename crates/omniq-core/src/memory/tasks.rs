//! The tasks and their indices, which each change updates.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use jiff::Timestamp;

use super::graph::{End, Graph};
use crate::ends::Ends;
use crate::model::*;

/// A task with fields that only the store has.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) task: Task,
    /// How often it was claimed; never reset, so that no claim number is used twice.
    pub(super) claims: u32,
    /// When it completed or failed for good.
    pub(super) ended_at: Option<Timestamp>,
}

impl Entry {
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.task.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.task.state, TaskState::Blocked | TaskState::Ready | TaskState::Scheduled)
    }

    /// A blocked task does not expire: its time to live begins when the others have ended.
    fn can_expire(&self) -> bool {
        matches!(self.task.state, TaskState::Ready | TaskState::Scheduled)
    }
}

/// All tasks of a store.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    entries: BTreeMap<TaskId, Entry>,
    ready: HashMap<String, BTreeMap<(Reverse<i16>, i64), TaskId>>,
    scheduled: BTreeSet<(Timestamp, TaskId)>,
    expiring: BTreeSet<(Timestamp, TaskId)>,
    /// Completed and dead tasks, by when they ended.
    ended: BTreeSet<(Timestamp, TaskId)>,
    held: HashMap<WorkerId, BTreeSet<TaskId>>,
    /// What users have cancelled, by the worker that held it then.
    cancelled: HashMap<WorkerId, BTreeSet<CancelRequest>>,
    last_seq: i64,
    /// Who waits for ends.
    pub(super) ends: Ends,
    /// Which tasks wait for which.
    pub(super) graph: Graph,
}

impl Tasks {
    pub(super) fn contains(&self, id: TaskId) -> bool {
        self.entries.contains_key(&id)
    }

    /// The number of the task that was added last; 0 before the first.
    pub(super) fn last_seq(&self) -> i64 {
        self.last_seq
    }

    pub(super) fn get(&self, id: TaskId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub(super) fn add(&mut self, new: NewTask, id: TaskId, now: Timestamp) {
        self.last_seq += 1;
        self.graph.forget(id);
        let task = Task::from_new(new, id, self.last_seq, now);
        self.put(Entry { task, claims: 0, ended_at: None });
    }

    /// Changes a task, and updates the indices.
    pub(super) fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Entry)) {
        if let Some(mut entry) = self.take(id) {
            change(&mut entry);
            self.put(entry);
        }
    }

    /// Removes a task that has not completed, or has been told to have ended before.
    pub(super) fn remove(&mut self, id: TaskId, now: Timestamp) {
        self.take(id);
        self.ended(id, End::Gone, now);
    }

    /// Rings those who wait for the end of a task, and unblocks the tasks that do.
    pub(super) fn ended(&mut self, id: TaskId, end: End, now: Timestamp) {
        self.ends.ring([id]);
        let released = self.graph.ended(id, end);
        self.unblock(released, now);
    }

    /// Those of these tasks that are blocked wait no longer for others.
    pub(super) fn unblock(&mut self, ids: Vec<TaskId>, now: Timestamp) {
        for id in ids {
            if self.get(id).is_some_and(|entry| entry.task.state == TaskState::Blocked) {
                self.change(id, |entry| {
                    entry.task.state = TaskState::Ready;
                    entry.task.start_at(entry.task.run_at, now);
                });
            }
        }
    }

    /// Blocked tasks that have to end.
    pub(super) fn broken(&self) -> impl Iterator<Item = Broken> {
        self.graph.broken().filter_map(|(id, by)| {
            let entry = self.get(id).filter(|entry| entry.task.state == TaskState::Blocked)?;
            Some(Broken::new(entry.task.clone(), by.by, by.is_dead))
        })
    }

    fn put(&mut self, entry: Entry) {
        let task = &entry.task;
        match (task.state, task.claim) {
            (TaskState::Ready, _) => {
                let queue = self.ready.entry(task.queue.clone()).or_default();
                queue.insert((Reverse(task.priority), task.seq), task.id);
            }
            (TaskState::Scheduled, _) => {
                self.scheduled.insert((task.run_at, task.id));
            }
            (TaskState::Running, Some(claim)) => {
                self.held.entry(claim.worker).or_default().insert(task.id);
            }
            _ => {}
        }
        if let (true, Some(end)) = (entry.can_expire(), task.expires_at) {
            self.expiring.insert((end, task.id));
        }
        if let Some(end) = entry.ended_at {
            self.ended.insert((end, task.id));
        }
        self.entries.insert(task.id, entry);
    }

    fn take(&mut self, id: TaskId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        let task = &entry.task;
        if let Some(queue) = self.ready.get_mut(&task.queue) {
            queue.remove(&(Reverse(task.priority), task.seq));
            if queue.is_empty() {
                self.ready.remove(&task.queue);
            }
        }
        self.scheduled.remove(&(task.run_at, id));
        if let Some(end) = task.expires_at {
            self.expiring.remove(&(end, id));
        }
        if let Some(end) = entry.ended_at {
            self.ended.remove(&(end, id));
        }
        if let Some(claim) = task.claim
            && let Some(held) = self.held.get_mut(&claim.worker)
        {
            held.remove(&id);
            if held.is_empty() {
                self.held.remove(&claim.worker);
            }
        }
        Some(entry)
    }

    /// The entries after this id, in the order of ids.
    pub(super) fn after(&self, after: Option<TaskId>) -> impl Iterator<Item = &Entry> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((from, Bound::Unbounded)).map(|(_, entry)| entry)
    }

    pub(super) fn ready_in(&self, queue: &str) -> impl Iterator<Item = &Entry> {
        self.ready.get(queue).into_iter().flat_map(|ids| ids.values()).filter_map(|id| self.entries.get(id))
    }

    pub(super) fn next_scheduled(&self) -> Option<(Timestamp, TaskId)> {
        self.scheduled.first().copied()
    }

    /// When the next scheduled task of these queues is due.
    pub(super) fn next_scheduled_in(&self, queues: &[String]) -> Option<Timestamp> {
        let is_theirs = |id: &TaskId| self.get(*id).is_some_and(|entry| queues.contains(&entry.task.queue));
        self.scheduled.iter().find(|(_, id)| is_theirs(id)).map(|(due, _)| *due)
    }

    pub(super) fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.expiring
            .iter()
            .take_while(move |(end, _)| *end <= now)
            .filter_map(|(_, id)| self.entries.get(id))
    }

    /// The tasks that ended in this state before that time, the oldest first.
    pub(super) fn ended_before(&self, state: TaskState, end: Timestamp) -> impl Iterator<Item = TaskId> {
        let ended = self.ended.iter().take_while(move |(at, _)| *at < end).map(|(_, id)| *id);
        ended.filter(move |id| self.entries.get(id).is_some_and(|entry| entry.task.state == state))
    }

    /// Asks the worker of a running task to stop it, if it can hear of it.
    pub(super) fn stop(&mut self, id: TaskId, hears: impl Fn(WorkerId) -> bool) -> Cancelled {
        let Some(task) = self.get(id).map(|entry| &entry.task) else { return Cancelled::NotFound };
        let Some(worker) = task.claim.map(|claim| claim.worker).filter(|worker| hears(*worker)) else {
            return Cancelled::NotFound;
        };
        let request = CancelRequest::of(task);
        self.cancelled.entry(worker).or_default().insert(request);
        Cancelled::Requested
    }

    pub(super) fn is_cancelled(&self, worker: WorkerId, task: &Task) -> bool {
        self.cancelled.get(&worker).is_some_and(|asked| asked.contains(&CancelRequest::of(task)))
    }

    /// What this worker is to stop. What it does not hold any more is told once.
    pub(super) fn tell_cancelled(&mut self, worker: WorkerId) -> Vec<CancelRequest> {
        let Some(asked) = self.cancelled.remove(&worker) else { return Vec::new() };
        let is_held = |asked: &&CancelRequest| {
            self.get(asked.task_id).is_some_and(|Entry { task, .. }| {
                CancelRequest::of(task) == **asked && task.claim.is_some_and(|claim| claim.worker == worker)
            })
        };
        let left: BTreeSet<_> = asked.iter().filter(is_held).copied().collect();
        if !left.is_empty() {
            self.cancelled.insert(worker, left);
        }
        asked.into_iter().collect()
    }

    /// What this worker was to stop and has handed back: the tasks that wait. Workers that run others of them by now are asked.
    pub(super) fn marked_for_cancel(&mut self, worker: WorkerId) -> Vec<TaskId> {
        let asked = self.cancelled.get(&worker).into_iter().flatten().copied();
        let here: Vec<CancelRequest> = asked
            .filter(|asked| {
                self.get(asked.task_id).is_some_and(|entry| CancelRequest::of(&entry.task) == *asked)
            })
            .collect();
        let (waiting, others): (Vec<TaskId>, Vec<TaskId>) = here
            .into_iter()
            .map(|asked| asked.task_id)
            .partition(|id| self.get(*id).is_some_and(Entry::is_waiting));
        for id in others {
            self.stop(id, |_| true);
        }
        waiting
    }

    /// Forgets what a worker that has gone was to stop.
    pub(super) fn forget_cancelled(&mut self, worker: WorkerId) {
        self.cancelled.remove(&worker);
    }

    pub(super) fn held_by(&self, worker: WorkerId) -> Vec<TaskId> {
        self.held.get(&worker).into_iter().flatten().copied().collect()
    }
}
