//! Who waits for whom: tasks that run after others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::*;

/// How a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Dead,
    /// Cancelled, expired, discarded or deleted.
    Gone,
}

/// Of how many tasks that have ended it is known how, so that others can run after them.
const REMEMBERED: usize = 100_000;

/// What tasks wait for: those with the same predecessors share one.
#[derive(Debug)]
struct Wait {
    tasks: Arc<[TaskId]>,
    if_failed: IfFailed,
    /// How many of its predecessors have not ended as it asks.
    pending: usize,
    broken: Option<Break>,
    /// The tasks that wait.
    dependents: Vec<TaskId>,
}

/// The predecessor that breaks a wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Break {
    pub(super) by: TaskId,
    pub(super) is_dead: bool,
}

impl Wait {
    fn is_done(&self, end: Option<End>) -> bool {
        match self.if_failed {
            IfFailed::End => end == Some(End::Completed),
            IfFailed::Run => end.is_some(),
        }
    }

    fn is_broken_by(&self, by: TaskId, end: Option<End>) -> Option<Break> {
        let is_dead = match end? {
            End::Completed => return None,
            End::Dead => true,
            End::Gone => false,
        };
        (self.if_failed == IfFailed::End).then_some(Break { by, is_dead })
    }
}

/// A task that waits for others, or that others wait for.
#[derive(Debug, Default)]
struct Node {
    wait: Option<u64>,
    end: Option<End>,
    /// What waits for it.
    successors: Vec<u64>,
}

/// All waits of a store.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<TaskId, Node>,
    waits: HashMap<u64, Wait>,
    last_wait: u64,
    /// How tasks have ended, each with its number in the order of ends.
    ended: HashMap<TaskId, (End, u64)>,
    order: VecDeque<(TaskId, u64)>,
    last_end: u64,
}

impl Graph {
    /// Whether it is known how this task has ended.
    pub(super) fn has_ended(&self, id: TaskId) -> bool {
        self.end(id).is_some()
    }

    fn end(&self, id: TaskId) -> Option<End> {
        self.nodes.get(&id).and_then(|node| node.end).or_else(|| self.ended.get(&id).map(|(end, _)| *end))
    }

    /// A task is added, which may have the id of an earlier one: what waits for that waits for this one.
    pub(super) fn forget(&mut self, id: TaskId) {
        self.ended.remove(&id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        (node.end, node.wait) = (None, None);
        for no in node.successors.clone() {
            self.count_again(no);
        }
    }

    /// These tasks wait for the same others. Returns those that need not wait, as all others have ended.
    pub(super) fn add(&mut self, after: &After, dependents: Vec<TaskId>) -> Vec<TaskId> {
        self.last_wait += 1;
        let (no, After { tasks, if_failed }) = (self.last_wait, after.clone());
        for id in &*tasks {
            let end = self.end(*id);
            let node = self.nodes.entry(*id).or_default();
            node.end = end;
            node.successors.push(no);
        }
        for id in &dependents {
            self.nodes.entry(*id).or_default().wait = Some(no);
        }
        self.waits.insert(no, Wait { tasks, if_failed, pending: 0, broken: None, dependents });
        self.count_again(no);
        self.break_again(no, true);
        self.released(no)
    }

    /// Counts anew what a wait waits for.
    fn count_again(&mut self, no: u64) {
        let Some(wait) = self.waits.get(&no) else { return };
        let pending = wait.tasks.iter().filter(|id| !wait.is_done(self.end(**id))).count();
        if let Some(wait) = self.waits.get_mut(&no) {
            wait.pending = pending;
        }
    }

    /// Looks anew for what breaks a wait. `dead_breaks`: whether a dead letter does; else that one can be retried, and complete.
    fn break_again(&mut self, no: u64, dead_breaks: bool) {
        let Some(wait) = self.waits.get(&no) else { return };
        let breaks = |end: &End| dead_breaks || *end == End::Gone;
        let broken = wait.tasks.iter().find_map(|id| wait.is_broken_by(*id, self.end(*id).filter(breaks)));
        if let Some(wait) = self.waits.get_mut(&no) {
            wait.broken = broken;
        }
    }

    /// The tasks of a wait: an id can be that of another task by now.
    fn dependents(&self, no: u64) -> Vec<TaskId> {
        let is_its = |id: &&TaskId| self.nodes.get(*id).is_some_and(|node| node.wait == Some(no));
        self.waits
            .get(&no)
            .map(|wait| wait.dependents.iter().filter(is_its).copied().collect())
            .unwrap_or_default()
    }

    /// The tasks of a wait that is over.
    fn released(&self, no: u64) -> Vec<TaskId> {
        let is_over = self.waits.get(&no).is_some_and(|wait| wait.pending == 0 && wait.broken.is_none());
        if is_over { self.dependents(no) } else { Vec::new() }
    }

    /// A task has ended. Returns the tasks that waited for it alone. A task that has completed stays so, whatever becomes of its row.
    pub(super) fn ended(&mut self, id: TaskId, end: End) -> Vec<TaskId> {
        let before = self.end(id);
        if before == Some(End::Completed) || before == Some(end) {
            return Vec::new();
        }
        self.remember(id, end);
        let Some(node) = self.nodes.get_mut(&id) else { return Vec::new() };
        node.end = Some(end);
        let successors = node.successors.clone();
        let mut released = Vec::new();
        for no in successors {
            let Some(wait) = self.waits.get_mut(&no) else { continue };
            if wait.is_done(Some(end)) && !wait.is_done(before) {
                wait.pending -= 1;
            }
            wait.broken = wait.broken.or_else(|| wait.is_broken_by(id, Some(end)));
            released.extend(self.released(no));
        }
        released
    }

    fn remember(&mut self, id: TaskId, end: End) {
        self.last_end += 1;
        self.ended.insert(id, (end, self.last_end));
        self.order.push_back((id, self.last_end));
        while self.order.len() > REMEMBERED {
            if let Some((oldest, number)) = self.order.pop_front()
                && self.ended.get(&oldest).is_some_and(|(_, last)| *last == number)
            {
                self.ended.remove(&oldest);
            }
        }
    }

    /// A dead letter is about to be retried.
    pub(super) fn reopen(&mut self, id: TaskId) {
        self.ended.remove(&id);
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.end = None;
        let successors = node.successors.clone();
        for no in successors {
            if let Some(wait) = self.waits.get_mut(&no)
                && wait.is_done(Some(End::Dead))
            {
                wait.pending += 1;
            }
        }
    }

    /// Whether a dead letter that is retried has to wait. It gets a wait of its own, so that the others with the same predecessors stay as they are.
    pub(super) fn has_to_wait(&mut self, id: TaskId) -> bool {
        let Some(mut no) = self.nodes.get(&id).and_then(|node| node.wait) else { return false };
        if self.dependents(no).len() > 1
            && let Some(Wait { tasks, if_failed, .. }) = self.waits.get(&no)
        {
            let own = Wait {
                tasks: Arc::clone(tasks),
                if_failed: *if_failed,
                pending: 0,
                broken: None,
                dependents: vec![id],
            };
            self.last_wait += 1;
            no = self.last_wait;
            for before in &*own.tasks {
                self.nodes.entry(*before).or_default().successors.push(no);
            }
            self.waits.insert(no, own);
            self.nodes.entry(id).or_default().wait = Some(no);
        }
        self.count_again(no);
        self.break_again(no, false);
        self.released(no).is_empty()
    }

    /// The tasks of broken waits, also those that have ended.
    pub(super) fn broken(&self) -> impl Iterator<Item = (TaskId, Break)> {
        let of_wait = |(no, wait): (&u64, &Wait)| wait.broken.map(|by| (self.dependents(*no), by));
        self.waits
            .iter()
            .filter_map(of_wait)
            .flat_map(|(tasks, by)| tasks.into_iter().map(move |id| (id, by)))
    }

    /// The tasks that this one waits for, or has waited for.
    pub(super) fn predecessors(&self, id: TaskId) -> Vec<TaskId> {
        let wait = self.nodes.get(&id).and_then(|node| self.waits.get(&node.wait?));
        wait.map(|wait| wait.tasks.to_vec()).unwrap_or_default()
    }

    /// Forgets what no task can ask for any more.
    pub(super) fn clean_up(&mut self) {
        let is_over = |nodes: &HashMap<TaskId, Node>, id: &TaskId| {
            nodes.get(id).is_none_or(|node| matches!(node.end, Some(End::Completed | End::Gone)))
        };
        let Self { nodes, waits, .. } = self;
        waits.retain(|_, wait| !wait.dependents.iter().all(|id| is_over(nodes, id)));
        for node in nodes.values_mut() {
            node.successors.retain(|no| waits.contains_key(no));
            node.wait = node.wait.filter(|no| waits.contains_key(no));
        }
        let kept = |node: &Node| {
            node.wait.is_some() || !node.successors.is_empty() || node.end.is_none_or(|end| end == End::Dead)
        };
        nodes.retain(|_, node| kept(node));
    }
}
