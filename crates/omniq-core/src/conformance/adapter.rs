//! The worker's side of a storage that the suite reaches through its blocking twin. It has no blocking form.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::*;

#[async_trait]
impl WorkerQueue for BlockingQueueAdapter {
    fn self_lease(&self) -> &SelfLease {
        self.0.as_async().self_lease()
    }

    fn heartbeat_connection(&self) -> Box<dyn HeartbeatConnection> {
        self.0.as_async().heartbeat_connection()
    }

    async fn register_worker(&self, info: &WorkerInfo) -> Result<WorkerId> {
        self.0.as_async().register_worker(info).await
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Result<u64> {
        self.0.as_async().deregister_worker(worker).await
    }

    async fn claim(&self, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        self.0.as_async().claim(worker, request).await
    }

    async fn subscribe(&self, worker: WorkerId, queues: &[String]) -> Result<Box<dyn Subscription>> {
        self.0.as_async().subscribe(worker, queues).await
    }

    fn handoff(&self, worker: WorkerId, funcs: &[String]) -> Box<dyn Handoff> {
        self.0.as_async().handoff(worker, funcs)
    }
}

#[async_trait]
impl QueueMaintenance for BlockingQueueAdapter {
    async fn lost(&self, limit: u32) -> Result<Vec<Lost>> {
        self.0.as_async().lost(limit).await
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Task>> {
        self.0.as_async().expired(limit).await
    }

    fn has_broken(&self) -> bool {
        self.0.as_async().has_broken()
    }

    async fn broken(&self, limit: u32) -> Result<Vec<Broken>> {
        self.0.as_async().broken(limit).await
    }

    async fn maintain(&self) -> Result<()> {
        self.0.as_async().maintain().await
    }
}

#[async_trait]
impl WorkerSchedules for BlockingSchedulesAdapter {
    async fn next_tick(&self, after: Option<Timestamp>) -> Result<Option<Duration>> {
        self.0.as_async().next_tick(after).await
    }

    async fn due(&self, after: Option<(Timestamp, String)>, limit: u32) -> Result<DueSchedules> {
        self.0.as_async().due(after, limit).await
    }

    async fn tick(&self, batch: &[PlannedTicks]) -> Result<Vec<Tick>> {
        self.0.as_async().tick(batch).await
    }

    async fn declare(&self, worker: WorkerId, app: &str, schedules: Vec<Schedule>) -> Result<()> {
        self.0.as_async().declare(worker, app, schedules).await
    }

    async fn remove_undeclared(&self) -> Result<u64> {
        self.0.as_async().remove_undeclared().await
    }
}
