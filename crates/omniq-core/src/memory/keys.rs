//! The keys of unique tasks.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::predecessors::{check_predecessors, waits};
use super::tasks::{Entry, Tasks};
use crate::model::*;
use crate::{Error, Result};

/// A key, and the task that took it last.
#[derive(Debug)]
struct Key {
    task: TaskId,
    is_until_start: bool,
    /// Not free before.
    free_at: Option<Timestamp>,
}

/// The task that holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holder {
    task: TaskId,
    /// It can still be changed.
    waits: bool,
}

/// All keys of a store. One is freed by nothing but the end of its task: it is looked at when the key is wanted.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<String, Key>);

impl Keys {
    fn holder(&self, key: &str, tasks: &Tasks, now: Timestamp) -> Option<Holder> {
        let Key { task, is_until_start, free_at } = self.0.get(key)?;
        // An id may be used again, for a task with another key.
        let entry = tasks.get(*task).filter(|entry| entry_key(entry) == Some(key));
        let waits = entry.is_some_and(|entry| entry.is_waiting() && !entry.is_expired(now));
        let runs = entry.is_some_and(|entry| entry.task.state == TaskState::Running);
        let holds = waits || (runs && !is_until_start) || free_at.is_some_and(|free_at| free_at > now);
        holds.then_some(Holder { task: *task, waits })
    }

    fn take(&mut self, unique: &Unique, key: &str, task: TaskId, now: Timestamp) {
        let key_of_task =
            Key { task, is_until_start: unique.is_until_start(), free_at: free_at(unique, now) };
        self.0.insert(key.to_owned(), key_of_task);
    }

    /// The holder waits, and becomes unique as a new task is.
    fn change(&mut self, unique: &Unique, key: &str, now: Timestamp) {
        if let Some(key) = self.0.get_mut(key) {
            key.is_until_start = unique.is_until_start();
            key.free_at = free_at(unique, now).or(key.free_at);
        }
    }

    /// Adds tasks, all or none.
    pub(super) fn enqueue(
        &mut self,
        new: Vec<NewTask>,
        tasks: &mut Tasks,
        now: Timestamp,
    ) -> Result<Vec<Enqueued>> {
        let new: Vec<NewTask> = new.into_iter().map(NewTask::with_key_as_text).collect::<Result<_>>()?;
        check_after(&new)?;
        let ids: Vec<TaskId> = new.iter().map(|task| task.id.unwrap_or_else(TaskId::new)).collect();
        check_predecessors(&new, &ids, tasks)?;
        let (mut taken, mut used) = (HashSet::new(), HashSet::new());
        for (task, id) in new.iter().zip(&ids) {
            let key = key_of(task);
            let holder = key.and_then(|(_, key)| self.holder(key, tasks, now));
            let earlier = key.is_some_and(|(_, key)| !taken.insert(key));
            if let (Some((unique, key)), true) = (key, holder.is_some() || earlier) {
                if unique.on_conflict == OnConflict::Error {
                    let of_call = || new.iter().position(|one| key_of(one).is_some_and(|one| one.1 == key));
                    let holder = holder.map_or_else(|| ids[of_call().unwrap_or(0)], |holder| holder.task);
                    return Err(Error::key_held(key, holder));
                }
            } else if tasks.contains(*id) || !used.insert(*id) {
                return Err(Error::id_in_use(id));
            }
        }
        let waits = waits(&new, &ids);
        let added =
            new.into_iter().zip(ids).map(|(task, id)| self.enqueue_one(task, id, tasks, now)).collect();
        for (after, dependents) in waits {
            let released = tasks.graph.add(&after, dependents);
            tasks.unblock(released, now);
        }
        Ok(added)
    }

    fn enqueue_one(&mut self, new: NewTask, id: TaskId, tasks: &mut Tasks, now: Timestamp) -> Enqueued {
        let Some((unique, key)) = key_of(&new) else {
            tasks.add(new, id, now);
            return Enqueued::New(id);
        };
        match (self.holder(key, tasks, now), unique.on_conflict) {
            (None, _) => {
                self.take(unique, key, id, now);
                tasks.add(new, id, now);
                Enqueued::New(id)
            }
            (Some(Holder { task, waits: true }), OnConflict::Replace) => {
                self.change(unique, key, now);
                tasks.change(task, |entry| replace(entry, new, now, false));
                Enqueued::Replaced(task)
            }
            (Some(Holder { task, waits: true }), OnConflict::Reschedule) => {
                self.change(unique, key, now);
                tasks.change(task, |entry| replace(entry, new, now, true));
                Enqueued::Rescheduled(task)
            }
            (Some(Holder { task, .. }), _) => Enqueued::Skipped(task),
        }
    }

    /// Gives tasks that are about to be revived, and are dead letters or expired, their keys again, all or none.
    pub(super) fn retake_all(&mut self, ids: &[TaskId], tasks: &Tasks, now: Timestamp) -> Result<()> {
        let mut wanted: HashMap<String, TaskId> = HashMap::new();
        for id in ids {
            let Some((_, key)) = lost_key(*id, tasks, now) else { continue };
            self.check_retake(*id, key, tasks, now)?;
            if let Some(other) = wanted.insert(key.to_owned(), *id).filter(|other| other != id) {
                return Err(Error::key_taken(id, key, other));
            }
        }
        ids.iter().try_for_each(|id| self.retake(*id, tasks, now))
    }

    /// Gives a task that is about to be revived, and is a dead letter or expired, its key again. Error `is_conflict` if another task holds it.
    pub(super) fn retake(&mut self, id: TaskId, tasks: &Tasks, now: Timestamp) -> Result<()> {
        let Some((unique, key)) = lost_key(id, tasks, now) else { return Ok(()) };
        self.check_retake(id, key, tasks, now)?;
        if self.0.get(key).is_none_or(|taken| taken.task != id) {
            // Its period has begun with its enqueue.
            self.take(&Unique { period: None, ..unique.clone() }, key, id, now);
        }
        Ok(())
    }

    fn check_retake(&self, id: TaskId, key: &str, tasks: &Tasks, now: Timestamp) -> Result<()> {
        match self.holder(key, tasks, now).filter(|holder| holder.task != id) {
            Some(holder) => Err(Error::key_taken(id, key, holder.task)),
            None => Ok(()),
        }
    }

    /// Forgets keys that no task holds.
    pub(super) fn clean_up(&mut self, tasks: &Tasks, now: Timestamp) {
        let is_open = |name: &str, task: TaskId| {
            let entry = tasks.get(task).filter(|entry| entry_key(entry) == Some(name));
            entry.is_some_and(|entry| entry.is_waiting() || entry.task.state == TaskState::Running)
        };
        self.0
            .retain(|name, key| is_open(name, key.task) || key.free_at.is_some_and(|free_at| free_at > now));
    }
}

fn text(unique: &Unique) -> Option<&str> {
    match &unique.key {
        KeySource::Text(key) => Some(key),
        KeySource::Args(_) => None,
    }
}

fn key_of(task: &NewTask) -> Option<(&Unique, &str)> {
    let unique = task.unique.as_ref()?;
    Some((unique, text(unique)?))
}

fn entry_key(entry: &Entry) -> Option<&str> {
    text(entry.task.unique.as_ref()?)
}

fn free_at(unique: &Unique, now: Timestamp) -> Option<Timestamp> {
    unique.period.and_then(|period| now.checked_add(period).ok())
}

/// The key of a task that is unique, and is a dead letter or expired.
fn lost_key(id: TaskId, tasks: &Tasks, now: Timestamp) -> Option<(&Unique, &str)> {
    let has_lost =
        |entry: &&Entry| entry.task.state == TaskState::Dead || (entry.is_waiting() && entry.is_expired(now));
    let unique = tasks.get(id).filter(has_lost)?.task.unique.as_ref()?;
    Some((unique, text(unique)?))
}

/// Gives a task that waits what a new one has.
fn replace(entry: &mut Entry, new: NewTask, now: Timestamp, with_start: bool) {
    let max_wait = new.unique.as_ref().and_then(|unique| unique.max_wait);
    let task = &mut entry.task;
    let mut made = Task::from_new(new, task.id, task.seq, now);
    if with_start {
        let latest = max_wait.and_then(|wait| task.created_at.checked_add(wait).ok());
        let start = latest.map_or(made.run_at, |latest| made.run_at.min(latest));
        made.start_at(start, now);
    } else {
        (made.state, made.run_at, made.expires_at) = (task.state, task.run_at, task.expires_at);
    }
    made.created_at = task.created_at;
    *task = made;
}
