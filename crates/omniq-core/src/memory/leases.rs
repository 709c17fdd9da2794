//! Workers and their leases.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::tasks::Tasks;
use crate::model::*;

#[derive(Debug)]
struct Worker {
    name: String,
    lease: Duration,
    until: Instant,
    /// Its tasks were reported as lost; it cannot come back.
    lost: bool,
}

/// The registered workers.
#[derive(Debug, Default)]
pub(super) struct Workers {
    known: BTreeMap<WorkerId, Worker>,
    last: i64,
}

impl Workers {
    pub(super) fn add(&mut self, info: &WorkerInfo) -> WorkerId {
        self.last += 1;
        let id = WorkerId(self.last);
        let until = Instant::now() + info.lease;
        self.known.insert(id, Worker { name: info.name.clone(), lease: info.lease, until, lost: false });
        id
    }

    pub(super) fn remove(&mut self, id: WorkerId) {
        self.known.remove(&id);
    }

    pub(super) fn is_alive(&self, id: WorkerId) -> bool {
        self.known.get(&id).is_some_and(|worker| !worker.lost)
    }

    pub(super) fn heartbeat(&mut self, id: WorkerId, tasks: &mut Tasks) -> Heartbeat {
        let Some(worker) = self.known.get_mut(&id).filter(|worker| !worker.lost) else {
            return Heartbeat::default();
        };
        worker.until = Instant::now() + worker.lease;
        Heartbeat { alive: true, cancelled: tasks.take_asked(id) }
    }

    /// The tasks of workers whose lease has ended. Such workers are removed if they hold no tasks.
    pub(super) fn lost(&mut self, tasks: &mut Tasks, limit: usize) -> Vec<Lost> {
        let now = Instant::now();
        let mut lost = Vec::new();
        self.known.retain(|id, worker| {
            if worker.until > now {
                return true;
            }
            let held = tasks.held_by(*id);
            if !held.is_empty() && lost.len() < limit {
                worker.lost = true;
                let room = limit - lost.len();
                lost.extend(
                    held.iter()
                        .take(room)
                        .filter_map(|id| tasks.get(*id))
                        .map(|entry| Lost { task: entry.task.clone(), worker: worker.name.clone() }),
                );
            }
            if held.is_empty() {
                tasks.take_asked(*id);
            }
            !held.is_empty()
        });
        lost
    }
}
