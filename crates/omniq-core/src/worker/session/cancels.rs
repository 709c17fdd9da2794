//! How a session stops what users have cancelled, wherever it is by now: buffered, running, on its way, or handed back.

use std::collections::HashMap;

use super::Session;
use crate::Result;
use crate::backend::Backend;
use crate::model::{Outcome, TaskId};

impl Session<'_> {
    /// One that is not here has ended, comes with the present fetch, or was handed back before the worker was told: then it
    /// is cancelled where it is now.
    pub(super) async fn stop_cancelled(&mut self) {
        let (out, unknown) = self.local_queue.cancel(self.lease.take_cancelled());
        let back = self.handed_back.among(unknown.iter().copied());
        if !back.is_empty() {
            tokio::spawn(cancel_elsewhere(self.worker.backend.clone(), back));
        }
        if self.fetcher.is_fetching() {
            self.cancelled.extend(unknown);
        }
        self.settle_unstarted(out, &Outcome::Cancel).await;
    }

    /// Asks once more which tasks were cancelled, after all have left this worker and before it is removed: then no heartbeat
    /// would tell.
    pub(super) async fn cancel_handed_back(&mut self) -> Result<()> {
        if self.handed_back.is_empty() {
            return Ok(());
        }
        let mut connection = self.worker.backend.queue().heartbeat_connection();
        let told = connection.heartbeat(self.lease.worker(), None).await?.cancelled;
        let back = self.handed_back.among(told.into_iter().chain(self.lease.take_cancelled()));
        if back.is_empty() { Ok(()) } else { self.worker.backend.cancel_same(&back).await }
    }
}

async fn cancel_elsewhere(backend: Backend, back: HashMap<TaskId, i64>) {
    if let Err(error) = backend.cancel_same(&back).await {
        tracing::warn!(%error, ?back, "tasks that were cancelled, and are not held any more, may run again");
    }
}
