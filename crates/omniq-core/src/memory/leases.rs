//! Workers and their leases.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

use super::tasks::Tasks;
use crate::model::*;

#[derive(Debug)]
struct Worker {
    info: WorkerInfo,
    started_at: Timestamp,
    until: Instant,
    /// How many of its slots were used at the last heartbeat.
    used: Option<u32>,
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
        let worker =
            Worker { info: info.clone(), started_at: Timestamp::now(), until, used: None, lost: false };
        self.known.insert(id, worker);
        id
    }

    pub(super) fn remove(&mut self, id: WorkerId) {
        self.known.remove(&id);
    }

    pub(super) fn is_alive(&self, id: WorkerId) -> bool {
        self.known.get(&id).is_some_and(|worker| !worker.lost)
    }

    /// All workers, by their ids.
    pub(super) fn all(&self) -> Vec<RegisteredWorker> {
        let (now, wall) = (Instant::now(), Timestamp::now());
        let shown = |(id, worker): (&WorkerId, &Worker)| {
            let left = worker.until.saturating_duration_since(now);
            let over = now.saturating_duration_since(worker.until);
            let ends = wall.checked_add(left).and_then(|end| end.checked_sub(over)).unwrap_or(Timestamp::MAX);
            let mut shown = RegisteredWorker::new(*id, worker.info.clone(), worker.started_at, ends);
            (shown.used, shown.lost) = (worker.used, worker.lost || worker.until <= now);
            shown
        };
        self.known.iter().map(shown).collect()
    }

    pub(super) fn heartbeat(&mut self, id: WorkerId, used: Option<u32>, tasks: &mut Tasks) -> Heartbeat {
        let Some(worker) = self.known.get_mut(&id).filter(|worker| !worker.lost) else {
            return Heartbeat::default();
        };
        worker.until = Instant::now() + worker.info.lease;
        worker.used = used;
        Heartbeat { alive: true, cancelled: tasks.tell_cancelled(id) }
    }

    /// The tasks of workers whose lease has ended, and those that such a worker was to stop and has handed back. Workers of which
    /// there are none are removed.
    pub(super) fn lost(&mut self, tasks: &mut Tasks, limit: usize) -> Vec<Lost> {
        let now = Instant::now();
        let mut lost = Vec::new();
        self.known.retain(|id, worker| {
            if worker.until > now {
                return true;
            }
            let mut left = tasks.held_by(*id);
            if left.is_empty() {
                left = tasks.marked_for_cancel(*id);
            }
            if !left.is_empty() && lost.len() < limit {
                worker.lost = true;
                let room = limit - lost.len();
                lost.extend(left.iter().take(room).filter_map(|id| tasks.get(*id)).map(|entry| Lost {
                    task: entry.task.clone(),
                    worker: worker.info.name.clone(),
                    cancelled: tasks.is_cancelled(*id, &entry.task),
                }));
            }
            if left.is_empty() {
                tasks.forget_cancelled(*id);
            }
            !left.is_empty()
        });
        lost
    }
}
