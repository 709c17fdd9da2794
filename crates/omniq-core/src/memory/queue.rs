//! The in-memory task queue: each verb of the interface on the shared state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::locked;
use super::schedule_storage::MemoryScheduleStorage;
use super::store::{MemoryQueue, State};
use super::subscription::{MemoryHeartbeat, MemorySubscription};
use crate::model::*;
use crate::{
    EndSubscription, Error, HeartbeatConnection, Location, QueueMaintenance, Result, ScheduleStorage,
    SelfLease, Subscription, TaskQueue, WorkerQueue,
};

#[async_trait]
impl TaskQueue for MemoryQueue {
    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        Ok(self.enqueue_unique_many(tasks).await?.into_iter().map(Enqueued::id).collect())
    }

    async fn enqueue_unique_many(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        tasks.iter().try_for_each(|task| task.check(&self.object.limits))?;
        let (mut state, now) = self.open()?;
        let State { tasks: there, keys, .. } = &mut *state;
        let enqueued = keys.enqueue(tasks, there, now)?;
        self.store.notifier.notify();
        Ok(enqueued)
    }

    async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        let batch = batch.iter().map(Settlement::checked).collect::<Result<Vec<_>>>()?;
        if batch.iter().any(|settlement| settlement.result.is_some() || !settlement.events.is_empty()) {
            return Err(Error::config(
                "the in-memory queue writes no results and no events: store them by their own storage",
            ));
        }
        let (mut state, now) = self.open()?;
        let answers = state.tasks.settle(&batch, mode, self.object.keep_completed, now)?;
        self.store.notifier.notify();
        Ok(answers)
    }

    async fn cancel_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        let (mut state, now) = self.open()?;
        let State { tasks, workers, .. } = &mut *state;
        let cancelled =
            ids.iter().map(|id| tasks.cancel(*id, |worker| workers.is_alive(worker), now)).collect();
        self.store.notifier.notify();
        Ok(cancelled)
    }

    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        let (mut state, _) = self.open()?;
        let State { tasks, workers, .. } = &mut *state;
        Ok(ids.iter().map(|id| tasks.stop(*id, |worker| workers.is_alive(worker))).collect())
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        let (state, _) = self.open()?;
        Ok(state.tasks.get(id).map(|entry| entry.task.clone()))
    }

    async fn predecessors(&self, id: TaskId) -> Result<Vec<TaskId>> {
        Ok(self.open()?.0.tasks.graph.predecessors(id))
    }

    async fn update(&self, id: TaskId, change: TaskUpdate) -> Result<Task> {
        change.check(&self.object.limits)?;
        let (mut state, now) = self.open()?;
        let State { tasks, keys, .. } = &mut *state;
        if change.run_at.is_some() {
            keys.retake(id, tasks, now)?;
        }
        let task = tasks.update(id, change, now)?;
        self.store.notifier.notify();
        Ok(task)
    }

    async fn retry_many(&self, ids: &[TaskId]) -> Result<()> {
        let (mut state, now) = self.open()?;
        let State { tasks, keys, .. } = &mut *state;
        tasks.check_all(ids, Verb::Retry, "retried")?;
        keys.retake_all(ids, tasks, now)?;
        let dead = tasks.dead(ids);
        for id in ids {
            tasks.retry(*id, now);
        }
        tasks.hold_back(&dead);
        self.store.notifier.notify();
        Ok(())
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<()> {
        let (mut state, now) = self.open()?;
        state.tasks.check_all(ids, Verb::Delete, "deleted: cancel it")?;
        for id in ids {
            state.tasks.remove(*id, now);
        }
        self.store.notifier.notify();
        Ok(())
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        let (state, _) = self.open()?;
        Ok(state.tasks.page(filter).map(|entry| entry.task.clone()).collect())
    }

    async fn last_seq(&self) -> Result<Option<i64>> {
        Ok(Some(self.open()?.0.tasks.last_seq()))
    }

    async fn count(&self, filter: &TaskFilter) -> Result<u64> {
        let (state, _) = self.open()?;
        Ok(state.tasks.named(filter).count() as u64)
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64> {
        let (mut state, now) = self.open()?;
        let tasks = state.tasks.named(filter).map(|entry| &entry.task);
        let ids: Vec<_> = tasks.filter(|task| task.state != TaskState::Running).map(|task| task.id).collect();
        for id in &ids {
            state.tasks.remove(*id, now);
        }
        self.store.notifier.notify();
        Ok(ids.len() as u64)
    }

    async fn prune(&self, limit: u32) -> Result<u64> {
        let (mut state, now) = self.open()?;
        let ttls =
            [(TaskState::Completed, self.object.completed_ttl), (TaskState::Dead, self.object.dead_ttl)];
        let mut over = Vec::new();
        for (ended, ttl) in ttls {
            if let Some(before) = ttl.and_then(|ttl| now.checked_sub(ttl).ok()) {
                over.extend(state.tasks.ended_before(ended, before).take(limit as usize));
            }
        }
        for id in &over {
            state.tasks.remove(*id, now);
        }
        Ok(over.len() as u64)
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        check_name("queue name", queue)?;
        self.open()?.0.paused.insert(queue.to_owned());
        Ok(())
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        check_name("queue name", queue)?;
        self.open()?.0.paused.remove(queue);
        self.store.notifier.notify();
        Ok(())
    }

    async fn queues(&self) -> Result<Vec<QueueStats>> {
        let (state, _) = self.open()?;
        Ok(state.tasks.stats(&state.paused))
    }

    async fn retry_all(&self, filter: &TaskFilter) -> Result<u64> {
        let filters = filter.for_retry()?;
        let (mut state, now) = self.open()?;
        let State { tasks, keys, .. } = &mut *state;
        let ids: Vec<_> =
            filters.iter().flat_map(|filter| tasks.named(filter)).map(|entry| entry.task.id).collect();
        let (dead, mut count) = (tasks.dead(&ids), 0);
        for id in ids {
            if keys.retake(id, tasks, now).is_ok() {
                tasks.retry(id, now);
                count += 1;
            }
        }
        tasks.hold_back(&dead);
        self.store.notifier.notify();
        Ok(count)
    }

    async fn workers(&self) -> Result<Vec<RegisteredWorker>> {
        Ok(self.open()?.0.workers.all())
    }

    async fn close(&self) -> Result<()> {
        if !self.object.closed.swap(true, Ordering::AcqRel) {
            if let Some(worker) = self.object.lease.take().await {
                self.give_up(worker);
            }
            self.store.notifier.notify();
            locked(&self.store.state).tasks.ends.ring_perhaps(|_| true);
        }
        Ok(())
    }

    fn ends(&self) -> Option<Box<dyn EndSubscription>> {
        Some(Box::new(locked(&self.store.state).tasks.ends.listen()))
    }

    fn schedules(&self) -> Option<Arc<dyn ScheduleStorage>> {
        Some(Arc::new(MemoryScheduleStorage::new(self)))
    }

    fn location(&self) -> Location {
        self.store.location.clone()
    }
}

#[async_trait]
impl WorkerQueue for MemoryQueue {
    fn self_lease(&self) -> &SelfLease {
        &self.object.lease
    }

    fn heartbeat_connection(&self) -> Box<dyn HeartbeatConnection> {
        Box::new(MemoryHeartbeat::new(self.clone()))
    }

    async fn register_worker(&self, info: &WorkerInfo) -> Result<WorkerId> {
        info.check()?;
        Ok(self.open()?.0.workers.add(info))
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Result<u64> {
        drop(self.open()?);
        Ok(self.give_up(worker))
    }

    async fn claim(&self, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        request.check()?;
        let (mut state, now) = self.open()?;
        let State { tasks, workers, paused, .. } = &mut *state;
        if !workers.is_alive(worker) {
            return Err(Error::claim_lost(format!("worker {worker} is not registered any more")));
        }
        Ok(tasks.claim(worker, request, paused, now))
    }

    async fn subscribe(&self, _worker: WorkerId, queues: &[String]) -> Result<Box<dyn Subscription>> {
        let listener = self.store.notifier.listen();
        drop(self.open()?);
        Ok(Box::new(MemorySubscription::new(self.clone(), queues, listener)))
    }
}

#[async_trait]
impl QueueMaintenance for MemoryQueue {
    async fn lost(&self, limit: u32) -> Result<Vec<Lost>> {
        let (mut state, _) = self.open()?;
        let State { tasks, workers, .. } = &mut *state;
        Ok(workers.lost(tasks, limit as usize))
    }

    async fn maintain(&self) -> Result<()> {
        let (mut state, now) = self.open()?;
        let State { tasks, keys, .. } = &mut *state;
        keys.clean_up(tasks, now);
        tasks.graph.clean_up();
        Ok(())
    }

    fn has_broken(&self) -> bool {
        locked(&self.store.state).tasks.broken().next().is_some()
    }

    async fn broken(&self, limit: u32) -> Result<Vec<Broken>> {
        Ok(self.open()?.0.tasks.broken().take(limit as usize).collect())
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Task>> {
        let (state, now) = self.open()?;
        Ok(state.tasks.expired(now).take(limit as usize).map(|entry| entry.task.clone()).collect())
    }
}
