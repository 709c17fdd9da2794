//! Sleeping until there is work, and staying alive.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::bell::Ear;
use super::locked;
use super::store::{MemoryQueue, State};
use crate::model::*;
use crate::{Doorbell, Pulse, Result};

pub(super) struct MemoryDoorbell {
    queue: MemoryQueue,
    ear: Ear,
}

impl MemoryDoorbell {
    pub(super) fn new(queue: MemoryQueue, ear: Ear) -> Self {
        Self { queue, ear }
    }

    /// Nobody rings when a start time comes.
    fn until_due(&self) -> Option<Duration> {
        let state = locked(&self.queue.store.state);
        let (due, _) = state.tasks.next_scheduled()?;
        Some(due.duration_since(Timestamp::now()).try_into().unwrap_or(Duration::ZERO))
    }
}

#[async_trait]
impl Doorbell for MemoryDoorbell {
    async fn wait(&mut self, timeout: Duration) {
        let timeout = self.until_due().map_or(timeout, |due| due.min(timeout));
        self.ear.wait(timeout).await;
    }
}

pub(super) struct MemoryPulse(MemoryQueue);

impl MemoryPulse {
    pub(super) fn new(queue: MemoryQueue) -> Self {
        Self(queue)
    }
}

#[async_trait]
impl Pulse for MemoryPulse {
    async fn heartbeat(&mut self, worker: WorkerId) -> Result<Heartbeat> {
        let (mut state, _) = self.0.open()?;
        let State { tasks, workers, .. } = &mut *state;
        Ok(workers.heartbeat(worker, tasks))
    }
}
