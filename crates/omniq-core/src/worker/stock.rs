//! What a session has claimed and not begun: how it comes, and how it goes.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::execute::Run;
use super::session::Session;
use crate::backend::Report;
use crate::handler::{Context, StopReason};
use crate::model::*;

impl Session<'_> {
    /// Begins what there is a slot for.
    pub(super) fn begin(&mut self) {
        while !self.stock.is_empty()
            && let Some(slot) = self.lasting.slots.take()
            && let Some(task) = self.stock.pop_front()
        {
            let Some(handler) = self.worker.registry.get(&task.func).cloned() else {
                // The claim asked for registered functions only: the storage is at fault, the task must not suffer.
                tracing::error!(task = %task.id, func = task.func, "no such handler; left until this worker stops");
                continue;
            };
            let context = Context::new(task, self.origin.clone());
            let entry = self.running.add(&context, slot);
            self.stock_moved = Instant::now();
            let (notes, runs) = (self.settler.notes.clone(), self.lasting.pace.runs());
            tokio::spawn(Run { context, handler, notes, runs, entry }.go());
        }
    }

    /// Looks for tasks if some are wanted: for each free slot, and for the stock once half of it is used up.
    pub(super) fn look(&mut self) {
        if !self.feed.is_idle() || self.stopping.is_asked() {
            return;
        }
        let settings = &self.worker.settings;
        let free = self.lasting.slots.free();
        let stock = self.lasting.pace.stock(settings.concurrency, settings.prefetch);
        let wanted = (free + stock).saturating_sub(self.stock.len()).min(Dequeue::MAX as usize);
        if wanted == 0 || (free == 0 && self.stock.len() > stock / 2) {
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

    /// Users have asked for tasks of this worker to be stopped.
    pub(super) async fn stop_cancelled(&mut self) {
        let asked = self.lease.take_cancelled();
        let not_running = asked.into_iter().filter(|id| !self.running.stop(*id, StopReason::Cancelled));
        let not_running = not_running.collect();
        self.withdraw(not_running).await;
    }

    /// Takes cancelled tasks out of the stock. One that is nowhere has ended, or comes with the present look.
    pub(super) async fn withdraw(&mut self, ids: HashSet<TaskId>) {
        if ids.is_empty() {
            return;
        }
        let (out, stay): (VecDeque<_>, _) =
            std::mem::take(&mut self.stock).into_iter().partition(|task| ids.contains(&task.id));
        self.stock = stay;
        if self.feed.is_looking() {
            self.unwanted.extend(ids);
        }
        for task in out {
            self.settle_unbegun(&task, Outcome::Cancel).await;
        }
    }

    /// Hands back a stock from which nothing was begun for a while: all slots are taken by runs that are slower than was
    /// expected, and others may have free ones.
    pub(super) async fn hand_back_stale(&mut self) {
        if self.stock_moved.elapsed() >= self.worker.settings.prefetch_wait {
            tracing::debug!(count = self.stock.len(), "the stock is handed back: no slot became free");
            self.hand_back().await;
        }
    }

    /// Hands back what was claimed and not begun.
    pub(super) async fn hand_back(&mut self) {
        for task in std::mem::take(&mut self.stock) {
            self.settle_unbegun(&task, Outcome::Release).await;
        }
    }

    async fn settle_unbegun(&mut self, task: &Task, outcome: Outcome) {
        let report = Report { worker: Some(self.worker.name()), ..Report::new(task, outcome) };
        self.settler.notes.ended(self.worker.backend.record(report), false).await;
    }
}
