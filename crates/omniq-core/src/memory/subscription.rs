//! A worker's wait for tasks, and its heartbeat.

use std::time::Duration;

use async_trait::async_trait;

use super::locked;
use super::notifier::Listener;
use super::store::{MemoryQueue, State};
use crate::model::*;
use crate::{HeartbeatConnection, Result, Subscription};

pub(super) struct MemorySubscription {
    queue: MemoryQueue,
    queues: Vec<String>,
    listener: Listener,
}

impl MemorySubscription {
    pub(super) fn new(queue: MemoryQueue, queues: &[String], listener: Listener) -> Self {
        Self { queue, queues: queues.to_vec(), listener }
    }

    /// How long until the next scheduled task of the queues is due. A task that becomes due sends no notification.
    fn until_due(&self) -> Option<Duration> {
        let state = locked(&self.queue.store.state);
        let due = state.tasks.next_scheduled_in(&self.queues)?;
        Some(due.duration_since(self.queue.object.clock.now()).try_into().unwrap_or(Duration::ZERO))
    }
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn wait(&mut self, timeout: Duration) {
        let timeout = self.until_due().map_or(timeout, |due| due.min(timeout));
        self.listener.wait(timeout).await;
    }

    async fn next_due(&mut self) -> Result<Option<Duration>> {
        Ok(self.until_due())
    }
}

pub(super) struct MemoryHeartbeat(MemoryQueue);

impl MemoryHeartbeat {
    pub(super) fn new(queue: MemoryQueue) -> Self {
        Self(queue)
    }
}

#[async_trait]
impl HeartbeatConnection for MemoryHeartbeat {
    async fn heartbeat(&mut self, worker: WorkerId, used: Option<u32>) -> Result<Heartbeat> {
        let mut state = self.0.as_it_is()?;
        let State { tasks, workers, .. } = &mut *state;
        Ok(workers.heartbeat(worker, used, tasks))
    }
}
