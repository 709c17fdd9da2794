//! How tasks come into a session, and how they go that were not begun.

use std::collections::HashSet;
use std::sync::Arc;

use super::session::Session;
use crate::backend::Report;
use crate::handler::StopReason;
use crate::model::*;
use crate::verbs::unreadable;

impl Session<'_> {
    /// Begins what there is a slot for.
    pub(super) fn begin(&mut self) {
        // A slot that is taken for nothing would wake this session at once, again and again until it hears that its lease is lost.
        while !self.stock.is_empty()
            && !self.stock.is_over()
            && let Some(slot) = self.lasting.slots.take()
            && let Some(run) = self.crew.next()
        {
            tokio::spawn(Arc::clone(&self.crew).work(slot, run));
        }
    }

    /// Looks for tasks if some are wanted: for each free slot, and for the stock once half of it is used up.
    pub(super) fn look(&mut self) {
        if !self.feed.is_idle() || self.stopping.is_asked() {
            return;
        }
        let settings = &self.worker.settings;
        let slots = &self.lasting.slots;
        let (free, held) = (slots.free(), self.stock.len());
        let stock = self.lasting.pace.stock(slots.busy(), settings.concurrency, settings.prefetch);
        let wanted = (free + stock).saturating_sub(held).min(Dequeue::MAX as usize);
        if wanted == 0 || (free == 0 && held > stock / 2) {
            self.stock.wake_at(stock / 2);
            return;
        }
        self.quiet = self.is_quiet();
        let request = Dequeue::from(settings.info.queues.iter().cloned())
            .limit(wanted as u32)
            .slack(stock as u32)
            .go_on()
            .funcs(self.lasting.funcs.iter().cloned());
        self.feed.look(Arc::clone(self.worker.backend.queue()), self.lease.worker(), request);
    }

    /// Takes in what a look has brought: all but what users want stopped, and nothing in a stop.
    pub(super) async fn take_in(&mut self, tasks: Vec<Task>) {
        let tasks = self.settle_unreadable(tasks).await;
        let unwanted = std::mem::take(&mut self.unwanted);
        let (out, tasks) = if unwanted.is_empty() {
            (Vec::new(), tasks)
        } else {
            tasks.into_iter().partition(|task| unwanted.contains(&task.id))
        };
        if self.stopping.is_asked() {
            self.settle_unbegun(tasks, &Outcome::Release).await;
        } else {
            self.stock.add(tasks);
        }
        self.settle_unbegun(out, &Outcome::Cancel).await;
    }

    /// Begins what was handed over. A hand-over can meet one that came before: what there is no slot for goes back at once.
    pub(super) async fn take_handed(&mut self, mut tasks: Vec<Task>) {
        let room = if self.stopping.is_asked() { 0 } else { self.lasting.slots.free() };
        let rest = tasks.split_off(room.min(tasks.len()));
        self.stock.add(tasks);
        self.begin();
        if self.lasting.slots.free() == 0 {
            // Not to be handed more: the bell is taken down.
            self.feed.wake();
        }
        self.settle_unbegun(rest, &Outcome::Release).await;
    }

    /// Users have asked for tasks of this worker to be stopped. One that is nowhere has ended, or comes with the present look.
    pub(super) async fn stop_cancelled(&mut self) {
        let mut asked: HashSet<TaskId> = self.lease.take_cancelled().into_iter().collect();
        // In this order: a task goes from the stock to what runs, never back.
        let out = self.stock.take_out(&asked);
        asked.retain(|id| {
            !out.iter().any(|task| task.id == *id) && !self.running.stop(*id, StopReason::Cancelled)
        });
        if self.feed.is_looking() {
            self.unwanted.extend(asked);
        }
        self.settle_unbegun(out, &Outcome::Cancel).await;
    }

    /// Hands back a stock from which nothing was begun for a while: all slots are taken by runs that are slower than was
    /// expected, and others may have free ones.
    pub(super) async fn hand_back_stale(&mut self) {
        if self.stock.unmoved() >= self.worker.settings.prefetch_wait {
            tracing::debug!(count = self.stock.len(), "the stock is handed back: no slot became free");
            self.hand_back().await;
        }
    }

    /// Hands back what was claimed and not begun.
    pub(super) async fn hand_back(&mut self) {
        self.settle_unbegun(self.stock.take_all(), &Outcome::Release).await;
    }

    /// Settles as failed what the storage cannot read, and gives the others back.
    async fn settle_unreadable(&mut self, tasks: Vec<Task>) -> Vec<Task> {
        if tasks.iter().all(|task| task.unreadable.is_none()) {
            return tasks;
        }
        let mut good = Vec::with_capacity(tasks.len());
        for task in tasks {
            match unreadable(&task) {
                Some(outcome) => self.settle_unbegun([task], &outcome).await,
                None => good.push(task),
            }
        }
        good
    }

    async fn settle_unbegun(&mut self, tasks: impl IntoIterator<Item = Task>, outcome: &Outcome) {
        for task in tasks {
            let report = Report { worker: Some(self.worker.name()), ..Report::new(&task, outcome.clone()) };
            self.settler.notes.ended(self.worker.backend.record(report), false).await;
        }
    }
}
