//! The worker's side of a queue that the suite reaches through its blocking twin. It has no blocking form.

use async_trait::async_trait;

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

    async fn maintain(&self) -> Result<()> {
        self.0.as_async().maintain().await
    }
}
