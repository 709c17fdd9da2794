//! Has items written that wait although a write is in flight, if that takes long.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::time::{Instant, sleep_until};

use super::{GroupCommit, GroupWriter};

/// One timer of a runtime for all writes, as long as items wait: a timer for each would wake the thread that drives the timers
/// each time.
pub(super) struct Overtake<W: GroupWriter> {
    group: Arc<GroupCommit<W>>,
    /// Where it runs.
    runtime: runtime::Id,
    /// A write may hang in the network, or wait for an open transaction.
    patience: Duration,
    over: bool,
}

impl<W: GroupWriter> Overtake<W> {
    pub(super) fn new(group: &Arc<GroupCommit<W>>, runtime: runtime::Id, patience: Duration) -> Self {
        Self { group: Arc::clone(group), runtime, patience, over: false }
    }

    pub(super) async fn keep(mut self) {
        while let Some(end) = self.end() {
            sleep_until(end).await;
            let mut waiting = self.group.lock();
            let (now, patience) = (Instant::now(), self.patience);
            waiting.in_flight.retain(|write| now < write.began + patience);
            self.group.look(waiting);
        }
    }

    /// When the oldest write will be overtaken. `None` if no item waits.
    fn end(&mut self) -> Option<Instant> {
        let mut waiting = self.group.lock();
        let oldest = waiting.in_flight.first().filter(|_| !waiting.items.is_empty());
        let end = oldest.map(|write| write.began + self.patience);
        if end.is_none() {
            waiting.timed.retain(|runtime| *runtime != self.runtime);
            self.over = true;
        }
        end
    }
}

impl<W: GroupWriter> Drop for Overtake<W> {
    fn drop(&mut self) {
        if !self.over {
            self.group.lock().timed.retain(|runtime| *runtime != self.runtime);
        }
    }
}
