//! A task queue written in Python.

use std::borrow::Cow;

use async_trait::async_trait;
use omniq::port::{
    CancelRequest, Heartbeat, HeartbeatConnection, Location, Lost, Outcome, QueueMaintenance, SelfLease,
    SettleMode, Settled, Settlement, Subscription, WorkerInfo, WorkerQueue,
};
use omniq::{
    Cancelled, Dequeue, Error, Limits, NewTask, QueueStats, Result, Task, TaskFilter, TaskId, TaskQueue,
    TaskUpdate, WorkerId, check_after, refuse_unique,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyDictMethods};
use uuid::Uuid;

use super::{Custom, Notifier, named, positional};
use crate::convert::filter::to_task_filter;
use crate::convert::new_task::{to_changes, to_new_task};
use crate::convert::settlement::to_settlement;
use crate::convert::small::task_ids;
use crate::convert::small::{from_stats, list_of, read_cancelled, read_settled};
use crate::convert::task::{TaskArg, from_task};
use crate::convert::time::to_timedelta;

/// A task queue written in Python.
#[derive(Debug)]
pub(crate) struct CustomQueue {
    custom: Custom,
    lease: SelfLease,
    notifier: Notifier,
    /// Whether it keeps tasks that run after others.
    has_dependencies: bool,
}

impl CustomQueue {
    pub(crate) fn new(custom: Custom, notifier: Notifier, has_dependencies: bool) -> Self {
        Self { custom, lease: SelfLease::default(), notifier, has_dependencies }
    }

    fn refuse_after(&self, tasks: &[NewTask]) -> Result<()> {
        if !check_after(tasks)? || self.has_dependencies {
            return Ok(());
        }
        Err(Error::invalid(
            "a task is to run after others, and this queue keeps no tasks blocked: leave `after` out, or use a queue that does \
             (one written in Python implements predecessors)",
        ))
    }

    /// Notifies idle workers if the call succeeded, because it may have made tasks ready.
    fn notified<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.is_ok() {
            self.notifier.notify();
        }
        answer
    }

    async fn with_ids<T: Send + 'static>(
        &self,
        name: &'static str,
        ids: &[TaskId],
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T> + Send + 'static,
    ) -> Result<T> {
        let ids: Vec<Uuid> = ids.iter().map(TaskId::as_uuid).collect();
        self.custom.call(name, move |py| positional(py, (ids,)), read).await
    }

    async fn filtered<T: Send + 'static>(
        &self,
        name: &'static str,
        filter: &TaskFilter,
        kept: &'static [&'static str],
        read: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T> + Send + 'static,
    ) -> Result<T> {
        let filter = filter.clone();
        let arguments = move |py: Python<'_>| named(&to_task_filter(py, &filter)?, Some(kept));
        self.custom.call(name, arguments, read).await
    }
}

/// The fields of a filter that select tasks, whatever the page.
const SELECTING: &[&str] = &["queue", "state", "func", "error", "since", "until"];

fn nothing(_: &Bound<'_, PyAny>) -> PyResult<()> {
    Ok(())
}

fn number(answer: &Bound<'_, PyAny>) -> PyResult<u64> {
    answer.extract()
}

fn tasks(answer: &Bound<'_, PyAny>) -> PyResult<Vec<Task>> {
    Ok(answer.extract::<Vec<TaskArg>>()?.into_iter().map(|task| task.0).collect())
}

#[async_trait]
impl TaskQueue for CustomQueue {
    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        for task in &tasks {
            task.check(&Limits::default())?;
        }
        refuse_unique(&tasks)?;
        self.refuse_after(&tasks)?;
        let convert = self.custom.convert();
        let arguments = move |py: Python<'_>| {
            positional(py, (list_of(py, &tasks, |task| to_new_task(py, convert, task))?,))
        };
        let read = |answer: &Bound<'_, PyAny>| Ok(task_ids(answer.extract()?));
        self.notified(self.custom.call("enqueue_many", arguments, read).await)
    }

    async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        let checked = |one: &Settlement| one.checked().map(Cow::into_owned);
        let batch = batch.iter().map(checked).collect::<Result<Vec<_>>>()?;
        let comes_back = batch.iter().any(|one| {
            matches!(one.outcome, Outcome::RetryLater { .. } | Outcome::Snooze { .. } | Outcome::Release)
        });
        let convert = self.custom.convert();
        let arguments = move |py: Python<'_>| {
            let batch = list_of(py, &batch, |settlement| to_settlement(py, convert, settlement))?;
            let named = PyDict::new(py);
            named.set_item("all_or_nothing", mode == SettleMode::All)?;
            Ok((positional(py, (batch,))?.0, Some(named.unbind())))
        };
        let settled = self.custom.call("settle", arguments, read_settled).await;
        if comes_back { self.notified(settled) } else { settled }
    }

    async fn cancel_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        self.with_ids("cancel_many", ids, read_cancelled).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        let read = |answer: &Bound<'_, PyAny>| {
            if answer.is_none() { Ok(None) } else { from_task(answer).map(Some) }
        };
        self.custom.call("get", move |py| positional(py, (id.as_uuid(),)), read).await
    }

    async fn predecessors(&self, id: TaskId) -> Result<Vec<TaskId>> {
        let read = |answer: &Bound<'_, PyAny>| Ok(task_ids(answer.extract()?));
        self.custom.call("predecessors", move |py| positional(py, (id.as_uuid(),)), read).await
    }

    async fn update(&self, id: TaskId, change: TaskUpdate) -> Result<Task> {
        change.check(&Limits::default())?;
        let convert = self.custom.convert();
        let arguments = move |py: Python<'_>| {
            Ok((positional(py, (id.as_uuid(),))?.0, Some(to_changes(py, convert, &change)?.unbind())))
        };
        self.notified(self.custom.call("update", arguments, from_task).await)
    }

    async fn retry_many(&self, ids: &[TaskId]) -> Result<()> {
        self.notified(self.with_ids("retry_many", ids, nothing).await)
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<()> {
        self.with_ids("delete_many", ids, nothing).await
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        let kept = &["queue", "state", "func", "error", "since", "until", "after", "limit"];
        self.filtered("list", filter, kept, tasks).await
    }

    /// No filter of a queue in Python selects by number.
    async fn last_seq(&self) -> Result<Option<i64>> {
        Ok(None)
    }

    async fn count(&self, filter: &TaskFilter) -> Result<u64> {
        self.filtered("count", filter, SELECTING, number).await
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64> {
        self.filtered("purge", filter, SELECTING, number).await
    }

    async fn prune(&self, limit: u32) -> Result<u64> {
        self.custom.call("prune", move |py| positional(py, (limit,)), number).await
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        omniq::port::check_name("queue name", queue)?;
        let queue = queue.to_owned();
        self.custom.call("pause", move |py| positional(py, (queue,)), nothing).await
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        omniq::port::check_name("queue name", queue)?;
        let queue = queue.to_owned();
        self.notified(self.custom.call("resume", move |py| positional(py, (queue,)), nothing).await)
    }

    async fn queues(&self) -> Result<Vec<QueueStats>> {
        let read = |answer: &Bound<'_, PyAny>| {
            answer.extract::<Vec<Bound<'_, PyAny>>>()?.iter().map(from_stats).collect()
        };
        self.custom.call("queues", |py| positional(py, ()), read).await
    }

    async fn close(&self) -> Result<()> {
        if let Some(worker) = self.lease.take().await {
            self.deregister_worker(worker).await?;
        }
        self.custom.call("close", |py| positional(py, ()), nothing).await
    }

    fn location(&self) -> Location {
        self.custom.location()
    }
}

#[async_trait]
impl WorkerQueue for CustomQueue {
    fn self_lease(&self) -> &SelfLease {
        &self.lease
    }

    fn heartbeat_connection(&self) -> Box<dyn HeartbeatConnection> {
        Box::new(CustomHeartbeat(self.custom.clone()))
    }

    async fn register_worker(&self, info: &WorkerInfo) -> Result<WorkerId> {
        info.check()?;
        let WorkerInfo { name, queues, lease, .. } = info.clone();
        let arguments = move |py: Python<'_>| positional(py, (name, queues, to_timedelta(py, lease)?));
        self.custom.call("register_worker", arguments, |answer| Ok(WorkerId(answer.extract()?))).await
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Result<u64> {
        self.notified(
            self.custom.call("deregister_worker", move |py| positional(py, (worker.0,)), number).await,
        )
    }

    async fn claim(&self, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        request.check()?;
        let Dequeue { queues, limit, funcs, .. } = request.clone();
        let arguments = move |py: Python<'_>| positional(py, (worker.0, queues, limit, funcs));
        self.custom.call("claim", arguments, tasks).await
    }

    async fn subscribe(&self, _worker: WorkerId, _queues: &[String]) -> Result<Box<dyn Subscription>> {
        Ok(self.notifier.listen())
    }
}

#[async_trait]
impl QueueMaintenance for CustomQueue {
    async fn lost(&self, limit: u32) -> Result<Vec<Lost>> {
        let read = |answer: &Bound<'_, PyAny>| {
            let lost: Vec<(TaskArg, String, bool)> = answer.extract()?;
            let read = |(task, worker, cancelled): (TaskArg, _, _)| Lost { task: task.0, worker, cancelled };
            Ok(lost.into_iter().map(read).collect())
        };
        self.custom.call("lost", move |py| positional(py, (limit,)), read).await
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Task>> {
        self.custom.call("expired", move |py| positional(py, (limit,)), tasks).await
    }
}

struct CustomHeartbeat(Custom);

#[async_trait]
impl HeartbeatConnection for CustomHeartbeat {
    async fn heartbeat(&mut self, worker: WorkerId, _used: Option<u32>) -> Result<Heartbeat> {
        let read = |answer: &Bound<'_, PyAny>| {
            let (alive, asked): (bool, Vec<(Uuid, i64)>) = answer.extract()?;
            let asked = asked.into_iter().map(|(id, seq)| CancelRequest { task_id: id.into(), seq });
            Ok(Heartbeat { alive, cancelled: asked.collect() })
        };
        self.0.call("heartbeat", move |py| positional(py, (worker.0,)), read).await
    }
}
