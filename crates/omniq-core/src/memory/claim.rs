//! Claims: from waiting to running.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::tasks::Tasks;
use crate::model::*;

impl Tasks {
    /// Makes due tasks ready.
    pub(super) fn promote(&mut self, now: Timestamp) {
        while let Some((_, id)) = self.next_scheduled().filter(|(due, _)| *due <= now) {
            self.change(id, |entry| entry.task.state = TaskState::Ready);
        }
    }

    /// Claims up to the request's limit for this worker, without a wait.
    pub(super) fn claim(
        &mut self,
        worker: WorkerId,
        request: &Dequeue,
        paused: &BTreeSet<String>,
        now: Timestamp,
    ) -> Vec<Task> {
        let mut claimed = Vec::new();
        for queue in request.queues.iter().filter(|queue| !paused.contains(*queue)) {
            let room = request.limit as usize - claimed.len();
            let ids: Vec<_> = self
                .ready_in(queue)
                .filter(|entry| !entry.is_expired(now))
                .filter(|entry| request.funcs.as_ref().is_none_or(|funcs| funcs.contains(&entry.task.func)))
                .take(room)
                .map(|entry| entry.task.id)
                .collect();
            for id in ids {
                self.change(id, |entry| {
                    entry.claims += 1;
                    entry.task.state = TaskState::Running;
                    entry.task.attempt += 1;
                    entry.task.claimed_at = Some(now);
                    entry.task.claim = Some(Claim { worker, number: entry.claims });
                });
                claimed.extend(self.get(id).map(|entry| entry.task.clone()));
            }
        }
        claimed
    }
}
