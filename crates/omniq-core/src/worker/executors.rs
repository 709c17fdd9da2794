//! Executors: each holds a slot, and begins the next task as soon as a run has ended.

use std::sync::Arc;

use super::execute::Run;
use super::local_queue::{LocalQueue, Slot};
use super::prefetch::RunTimes;
use crate::handler::{Context, Handler, Origin, Registry};
use crate::model::Task;

/// What all executors of a session need.
pub(super) struct Executors {
    pub(super) registry: Registry,
    pub(super) origin: Arc<Origin>,
    pub(super) times: Arc<RunTimes>,
    pub(super) local_queue: LocalQueue,
}

impl Executors {
    /// Starts an executor for each free slot that there is a task for.
    pub(super) fn start(self: &Arc<Self>) {
        while let Some((slot, entry, context, handler)) = self.local_queue.begin(|task| self.run_of(task)) {
            tokio::spawn(Arc::clone(self).work(slot, Run { context, handler, entry }));
        }
    }

    /// Runs this task, and then one after the other, until none is buffered.
    async fn work(self: Arc<Self>, slot: Slot, first: Run) {
        let mut next = Some(first);
        while let Some(run) = next {
            run.go(&self.origin.outbox, &self.times).await;
            let begun = self.local_queue.next(|task| self.run_of(task));
            next = begun.map(|(entry, context, handler)| Run { context, handler, entry });
        }
        drop(slot);
    }

    fn run_of(&self, task: Task) -> Option<(Context, Handler)> {
        let Some(handler) = self.registry.get(&task.func).cloned() else {
            // The claim asked for registered functions only. This is the storage's fault, and the task must not fail
            // for it.
            tracing::error!(task = %task.id, func = task.func, "no such handler; left until this worker stops");
            return None;
        };
        Some((Context::new(task, Arc::clone(&self.origin)), handler))
    }
}
