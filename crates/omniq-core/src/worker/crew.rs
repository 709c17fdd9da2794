//! Those who work through a session's stock: each holds a slot, and takes the next task as soon as a run has ended.

use std::sync::Arc;

use super::execute::Run;
use super::pace::Runs;
use super::running::Running;
use super::slots::Slot;
use super::stock::Stock;
use crate::handler::{Context, Origin, Registry};
use crate::model::Task;

/// What all runs of a session need.
pub(super) struct Crew {
    pub(super) registry: Registry,
    pub(super) origin: Arc<Origin>,
    pub(super) runs: Arc<Runs>,
    pub(super) running: Running,
    pub(super) stock: Stock,
}

impl Crew {
    /// Takes the next task out of the stock; it runs by its own future. None if the stock is empty.
    pub(super) fn next(&self) -> Option<Run> {
        loop {
            if let Some(run) = self.stock.take(|task| self.begin(task))? {
                return Some(run);
            }
        }
    }

    fn begin(&self, task: Task) -> Option<Run> {
        let Some(handler) = self.registry.get(&task.func).cloned() else {
            // The claim asked for registered functions only: the storage is at fault, the task must not suffer.
            tracing::error!(task = %task.id, func = task.func, "no such handler; left until this worker stops");
            return None;
        };
        let context = Context::new(task, Arc::clone(&self.origin));
        let entry = self.running.add(&context);
        Some(Run { context, handler, entry })
    }

    /// Runs this task, and then one after the other, until the stock is empty.
    pub(super) async fn work(self: Arc<Self>, slot: Slot, first: Run) {
        let mut next = Some(first);
        while let Some(run) = next {
            run.go(&self.origin.notes, &self.runs).await;
            next = self.next();
        }
        drop(slot);
    }
}
