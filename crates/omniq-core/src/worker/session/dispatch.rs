//! How a session receives tasks, and returns those that were not begun.

use std::sync::Arc;

use super::Session;
use crate::backend::Report;
use crate::model::*;
use crate::verbs::unreadable;

impl Session<'_> {
    /// Fetches tasks if some are wanted: for each free slot, and ahead once half of what was prefetched is used up.
    pub(super) fn fetch(&mut self) {
        if !self.fetcher.is_idle() || self.stopping.has_begun() {
            return;
        }
        let settings = &self.worker.settings;
        let (free, buffered, busy) =
            (self.local_queue.free_slots(), self.local_queue.buffered(), self.local_queue.busy());
        let ahead = self.lasting.prefetch.tasks(busy, settings.concurrency, settings.prefetch);
        let wanted = (free + ahead).saturating_sub(buffered).min(Dequeue::MAX as usize);
        if wanted == 0 || (free == 0 && buffered > ahead / 2) {
            self.local_queue.wake_at(ahead / 2);
            return;
        }
        self.was_idle = self.is_idle();
        let request = Dequeue::from(settings.info.queues.iter().cloned())
            .limit(wanted as u32)
            .overfetch(ahead as u32)
            .resume()
            .funcs(self.lasting.funcs.iter().cloned());
        self.fetcher.fetch(Arc::clone(self.worker.backend.queue()), self.lease.worker(), request);
    }

    /// Accepts what a fetch has brought, except tasks that were cancelled meanwhile. During a stop all are released.
    pub(super) async fn accept(&mut self, tasks: Vec<Task>) {
        let tasks = self.settle_unreadable(tasks).await;
        let cancelled = std::mem::take(&mut self.cancelled);
        let (out, tasks) = if cancelled.is_empty() {
            (Vec::new(), tasks)
        } else {
            tasks.into_iter().partition(|task| cancelled.contains(&task.id))
        };
        if self.stopping.has_begun() {
            self.settle_unstarted(tasks, &Outcome::Release).await;
        } else {
            self.local_queue.add(tasks);
        }
        self.settle_unstarted(out, &Outcome::Cancel).await;
    }

    /// Begins what was handed off. Two hand-offs can come at once: tasks that have no free slot are released at once.
    pub(super) async fn accept_handed_off(&mut self, mut tasks: Vec<Task>) {
        let room = if self.stopping.has_begun() { 0 } else { self.local_queue.free_slots() };
        let rest = tasks.split_off(room.min(tasks.len()));
        self.local_queue.add(tasks);
        self.executors.start();
        if self.local_queue.free_slots() == 0 {
            // Ends the subscription, so that no more is handed off.
            self.fetcher.wake();
        }
        self.settle_unstarted(rest, &Outcome::Release).await;
    }

    /// Stops tasks that users have cancelled. One that is not here has ended, or comes with the present fetch.
    pub(super) async fn stop_cancelled(&mut self) {
        let asked = self.lease.take_cancelled().into_iter().collect();
        let (out, unknown) = self.local_queue.cancel(asked);
        if self.fetcher.is_fetching() {
            self.cancelled.extend(unknown);
        }
        self.settle_unstarted(out, &Outcome::Cancel).await;
    }

    /// Releases what is buffered if nothing was begun for a while: the runs in all slots are slower than estimated, and
    /// other workers may have free slots.
    pub(super) async fn release_stale(&mut self) {
        if self.local_queue.idle() >= self.worker.settings.prefetch_wait {
            tracing::debug!(
                count = self.local_queue.buffered(),
                "prefetched tasks are released: no slot became free"
            );
            self.release_buffered().await;
        }
    }

    pub(super) async fn release_buffered(&mut self) {
        self.settle_unstarted(self.local_queue.take_buffered(), &Outcome::Release).await;
    }

    /// Settles tasks that the storage cannot read as failed, and returns the others.
    async fn settle_unreadable(&mut self, tasks: Vec<Task>) -> Vec<Task> {
        if tasks.iter().all(|task| task.unreadable.is_none()) {
            return tasks;
        }
        let mut good = Vec::with_capacity(tasks.len());
        for task in tasks {
            match unreadable(&task) {
                Some(outcome) => self.settle_unstarted([task], &outcome).await,
                None => good.push(task),
            }
        }
        good
    }

    async fn settle_unstarted(&mut self, tasks: impl IntoIterator<Item = Task>, outcome: &Outcome) {
        for task in tasks {
            let report = Report { worker: Some(self.worker.name()), ..Report::new(&task, outcome.clone()) };
            self.completer.outbox.ended(self.worker.backend.record(report), false).await;
        }
    }
}
