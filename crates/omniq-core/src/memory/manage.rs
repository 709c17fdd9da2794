//! The verbs of users: cancel, retry, update, list and count.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::tasks::{Entry, Tasks};
use crate::model::*;
use crate::{Error, Result};

fn not_found(id: TaskId) -> Error {
    Error::not_found(format!("task {id} is not in the queue: it has ended, or never was there"))
}

impl Tasks {
    /// The task of a worker that was declared lost is cancelled in its place: it may be about to be taken back.
    pub(super) fn cancel(
        &mut self,
        id: TaskId,
        hears: impl Fn(WorkerId) -> bool,
        now: Timestamp,
    ) -> Cancelled {
        match self.get(id) {
            Some(entry)
                if entry.is_waiting() || entry.task.claim.is_some_and(|claim| !hears(claim.worker)) =>
            {
                self.remove(id, now);
                Cancelled::Done
            }
            _ => self.stop(id, hears),
        }
    }

    /// Error unless the verb is allowed for every task, so that the caller may then change all of them.
    pub(super) fn check_all(&self, ids: &[TaskId], verb: Verb, done: &str) -> Result<()> {
        for id in ids {
            let state = self.get(*id).ok_or_else(|| not_found(*id))?.task.state;
            if state.after(verb) == Step::No {
                return Err(Error::conflict(format!("task {id} is {state} and cannot be {done}")));
            }
        }
        Ok(())
    }

    /// Makes a task ready; [`hold_back`](Self::hold_back) has to follow for those that were dead.
    pub(super) fn retry(&mut self, id: TaskId, now: Timestamp) {
        let is_dead = self.get(id).is_some_and(|entry| entry.task.state == TaskState::Dead);
        if is_dead {
            self.graph.reopen(id);
        }
        self.change(id, |entry| {
            entry.ended_at = None;
            let task = &mut entry.task;
            if is_dead {
                task.attempt = 0;
            }
            if task.state != TaskState::Ready {
                task.start_at(now, now);
            }
        });
    }

    /// Those of these tasks that are dead letters.
    pub(super) fn dead(&self, ids: &[TaskId]) -> Vec<TaskId> {
        let is_dead = |id: &&TaskId| self.get(**id).is_some_and(|entry| entry.task.state == TaskState::Dead);
        ids.iter().filter(is_dead).copied().collect()
    }

    /// Blocks those of these tasks that were retried together, and wait for others.
    pub(super) fn hold_back(&mut self, ids: &[TaskId]) {
        for id in ids {
            if self.get(*id).is_some_and(|entry| entry.task.state == TaskState::Ready)
                && self.graph.has_to_wait(*id)
            {
                self.change(*id, |entry| entry.task.state = TaskState::Blocked);
            }
        }
    }

    pub(super) fn update(&mut self, id: TaskId, change: TaskUpdate, now: Timestamp) -> Result<Task> {
        let entry = self.get(id).ok_or_else(|| not_found(id))?;
        if !entry.is_waiting() {
            return Err(Error::conflict(format!(
                "task {id} is {} and cannot be changed: only a waiting task can; retry a dead letter first",
                entry.task.state
            )));
        }
        self.change(id, |entry| change.apply(&mut entry.task, now));
        self.get(id).map(|entry| entry.task.clone()).ok_or_else(|| not_found(id))
    }

    /// All tasks that the filter selects, without paging.
    pub(super) fn named<'a>(&'a self, filter: &'a TaskFilter) -> impl Iterator<Item = &'a Entry> {
        self.after(None).filter(|entry| filter.selects(&entry.task))
    }

    /// The page that the filter selects.
    pub(super) fn page<'a>(&'a self, filter: &'a TaskFilter) -> impl Iterator<Item = &'a Entry> {
        let all = self.after(filter.after).filter(|entry| filter.selects(&entry.task));
        all.take(filter.page_size() as usize)
    }

    pub(super) fn stats(&self, paused: &BTreeSet<String>) -> Vec<QueueStats> {
        let mut all: BTreeMap<&str, QueueStats> =
            paused.iter().map(|name| (name.as_str(), QueueStats::default())).collect();
        for entry in self.after(None) {
            let figures = all.entry(&entry.task.queue).or_default();
            match entry.task.state {
                TaskState::Blocked => figures.blocked += 1,
                TaskState::Ready => figures.ready += 1,
                TaskState::Scheduled => figures.scheduled += 1,
                TaskState::Running => figures.running += 1,
                TaskState::Dead => figures.dead += 1,
                TaskState::Completed => figures.completed += 1,
                _ => {}
            }
        }
        all.into_iter()
            .map(|(name, figures)| QueueStats {
                name: name.to_owned(),
                paused: paused.contains(name),
                ..figures
            })
            .collect()
    }
}
