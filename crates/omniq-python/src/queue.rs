//! The task queue: opening it, and its verbs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq::port::WorkerInfo;
use omniq::storage::memory::MemoryQueue;
use omniq::storage::postgres::AsyncPostgresQueue;
use omniq::{Dequeue, Error, Result, TaskQueue, WorkerId};
use pyo3::intern;
use pyo3::prelude::*;
use uuid::Uuid;

use crate::answer::{Answer, statement};
use crate::convert::filter::from_task_filter;
use crate::convert::imported::imported;
use crate::convert::name::{Name, names};
use crate::convert::new_task::{from_new_task, from_update};
use crate::convert::options::Convert;
use crate::convert::settlement::{SettlementArg, batch_of, mode_of};
use crate::convert::small::{TaskErrorArg, task_ids};
use crate::convert::task::{TaskArg, tasks_of, with_errors};
use crate::convert::time::Span;
use crate::custom::{CustomQueue, Notifier, Origin};
use crate::error::to_py;
use crate::pending::Pending;
use crate::settings::Settings;
use crate::slot::{MEMORY, Slot};
use crate::transaction::{DatabaseArg, NewTasks, database_id};

/// The content of a queue's slot.
pub(crate) type AnyQueue = Arc<dyn TaskQueue>;

/// A task queue. Every verb returns a `Pending`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Queue {
    pub(crate) slot: Arc<Slot<AnyQueue>>,
    pub(crate) convert: Convert,
    pub(crate) codec: Arc<str>,
    /// Set if the queue is written in Python.
    pub(crate) notifier: Option<Notifier>,
}

impl Queue {
    pub(crate) fn verb<Fut>(
        &self,
        py: Python<'_>,
        verb: impl FnOnce(AnyQueue) -> Fut + Send + 'static,
    ) -> PyResult<Pending>
    where
        Fut: Future<Output = Result<Answer>> + Send,
    {
        let queue = self.slot.get(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move { verb(queue.await?).await }))
    }

    pub(crate) fn new_task(&self, task: &Bound<'_, PyAny>) -> PyResult<omniq::NewTask> {
        from_new_task(task, self.convert, &self.codec)
    }

    fn converted(&self, tasks: &[Bound<'_, PyAny>]) -> PyResult<Vec<omniq::NewTask>> {
        tasks.iter().map(|task| self.new_task(task)).collect()
    }
}

#[pymethods]
impl Queue {
    #[staticmethod]
    fn postgres(settings: &Bound<'_, Settings>, codec: &str, allow_pickle: bool) -> Self {
        let settings = settings.get().0.clone();
        let slot = Slot::new(move |_| {
            let settings = settings.clone();
            Ok(Box::pin(async move {
                Ok(Arc::new(AsyncPostgresQueue::with_settings(&settings).await?) as AnyQueue)
            }))
        });
        Self { slot, convert: Convert { allow_pickle }, codec: codec.into(), notifier: None }
    }

    #[staticmethod]
    fn memory(settings: &Bound<'_, Settings>, codec: &str, allow_pickle: bool) -> Self {
        let settings = &settings.get().0;
        let mut limits = omniq::Limits::default();
        limits.max_payload = settings.max_payload;
        let queue = MemoryQueue::with_options(limits, settings.keep_completed)
            .with_lease(settings.lease)
            .with_retention(settings.completed_ttl, settings.dead_ttl);
        let slot = Slot::given(Arc::new(queue) as AnyQueue, MEMORY);
        Self { slot, convert: Convert { allow_pickle }, codec: codec.into(), notifier: None }
    }

    /// A queue that is written in Python, async or blocking.
    #[staticmethod]
    fn custom(object: &Bound<'_, PyAny>, is_async: bool, codec: &str, allow_pickle: bool) -> PyResult<Self> {
        let origin = Origin::new(object, is_async, allow_pickle)?;
        let notifier = Notifier::new();
        let its = notifier.clone();
        let has_dependencies = implements_predecessors(object)?;
        let slot = Slot::bound(MEMORY, move |py| {
            let opened = CustomQueue::new(origin.open(py)?, its.clone(), has_dependencies);
            Ok(Box::pin(async move { Ok(Arc::new(opened) as AnyQueue) }))
        });
        Ok(Self { slot, convert: Convert { allow_pickle }, codec: codec.into(), notifier: Some(notifier) })
    }

    /// Wakes idle workers of a queue that is written in Python.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        let message = "this queue wakes its workers by itself: wake is for queues written in Python";
        self.notifier.as_ref().map(Notifier::notify).ok_or_else(|| to_py(py, Error::invalid(message)))
    }

    fn enqueue(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let task = self.new_task(task)?;
        self.verb(py, |queue| async move { queue.enqueue(task).await.map(Answer::Id) })
    }

    fn enqueue_many(&self, py: Python<'_>, tasks: Vec<Bound<'_, PyAny>>) -> PyResult<Pending> {
        let tasks = self.converted(&tasks)?;
        self.verb(py, |queue| async move { queue.enqueue_many(tasks).await.map(Answer::Ids) })
    }

    fn enqueue_unique_many(&self, py: Python<'_>, tasks: Vec<Bound<'_, PyAny>>) -> PyResult<Pending> {
        let tasks = self.converted(&tasks)?;
        self.verb(py, |queue| async move { queue.enqueue_unique_many(tasks).await.map(Answer::Enqueued) })
    }

    /// The statement that adds tasks in the user's transaction. `stale` is the database of an earlier statement, to which the
    /// connection did not lead.
    fn enqueue_statement(
        &self,
        py: Python<'_>,
        tasks: &NewTasks,
        stale: Option<DatabaseArg>,
    ) -> PyResult<Pending> {
        let (tasks, stale) = (tasks.0.clone(), stale.map(database_id));
        self.verb(py, |queue| async move { statement(queue.enqueue_statement(tasks, stale).await) })
    }

    /// Converts tasks for an enqueue inside the user's transaction.
    fn new_tasks(&self, tasks: Vec<Bound<'_, PyAny>>) -> PyResult<NewTasks> {
        self.converted(&tasks).map(NewTasks)
    }

    fn dequeue(
        &self,
        py: Python<'_>,
        queues: Vec<Name>,
        timeout: Span,
        funcs: Option<Vec<Name>>,
    ) -> PyResult<Pending> {
        let request = request(queues, 1, timeout, funcs);
        self.verb(py, |queue| async move { Ok(Answer::Task(queue.dequeue(request).await?.map(Box::new))) })
    }

    fn dequeue_many(
        &self,
        py: Python<'_>,
        queues: Vec<Name>,
        limit: u32,
        timeout: Span,
        funcs: Option<Vec<Name>>,
    ) -> PyResult<Pending> {
        let request = request(queues, limit, timeout, funcs);
        self.verb(py, |queue| async move { queue.dequeue_many(request).await.map(Answer::Tasks) })
    }

    fn cancel_requested(&self, py: Python<'_>, task: TaskArg) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.cancel_requested(&task.0).await.map(Answer::Bool) })
    }

    fn complete(&self, py: Python<'_>, task: TaskArg) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.complete(&task.0).await.map(|()| Answer::None) })
    }

    fn complete_many(&self, py: Python<'_>, tasks: Vec<TaskArg>) -> PyResult<Pending> {
        let tasks = tasks_of(tasks);
        self.verb(py, |queue| async move { queue.complete_many(&tasks).await.map(|()| Answer::None) })
    }

    fn fail(&self, py: Python<'_>, task: TaskArg, error: TaskErrorArg) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.fail(&task.0, error.0).await.map(Answer::State) })
    }

    fn fail_many(&self, py: Python<'_>, failed: Vec<(TaskArg, TaskErrorArg)>) -> PyResult<Pending> {
        let failed = with_errors(failed);
        self.verb(py, |queue| async move { queue.fail_many(failed).await.map(Answer::States) })
    }

    fn retry_later(
        &self,
        py: Python<'_>,
        task: TaskArg,
        delay: Span,
        error: Option<TaskErrorArg>,
    ) -> PyResult<Pending> {
        let error = error.map(|error| error.0);
        self.verb(py, move |queue| async move {
            queue.retry_later(&task.0, delay.0, error).await.map(|()| Answer::None)
        })
    }

    fn release(&self, py: Python<'_>, task: TaskArg) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.release(&task.0).await.map(|()| Answer::None) })
    }

    fn release_many(&self, py: Python<'_>, tasks: Vec<TaskArg>) -> PyResult<Pending> {
        let tasks = tasks_of(tasks);
        self.verb(py, |queue| async move { queue.release_many(&tasks).await.map(|()| Answer::None) })
    }

    fn snooze(&self, py: Python<'_>, task: TaskArg, delay: Span) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.snooze(&task.0, delay.0).await.map(|()| Answer::None) })
    }

    fn discard(&self, py: Python<'_>, task: TaskArg) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.discard(&task.0).await.map(|()| Answer::None) })
    }

    fn settle(&self, py: Python<'_>, batch: Vec<SettlementArg>, all: bool) -> PyResult<Pending> {
        let (batch, mode) = (batch_of(batch), mode_of(all));
        self.verb(py, move |queue| async move { queue.settle(&batch, mode).await.map(Answer::Settled) })
    }

    fn complete_statement(&self, py: Python<'_>, tasks: Vec<TaskArg>) -> PyResult<Pending> {
        let tasks = tasks_of(tasks);
        self.verb(py, |queue| async move { statement(queue.complete_statement(&tasks).await) })
    }

    fn fail_statement(&self, py: Python<'_>, failed: Vec<(TaskArg, TaskErrorArg)>) -> PyResult<Pending> {
        let failed = with_errors(failed);
        self.verb(py, |queue| async move { statement(queue.fail_statement(failed).await) })
    }

    fn settle_statement(&self, py: Python<'_>, batch: Vec<SettlementArg>, all: bool) -> PyResult<Pending> {
        let (batch, mode) = (batch_of(batch), mode_of(all));
        self.verb(py, move |queue| async move { statement(queue.settle_statement(&batch, mode).await) })
    }

    fn cancel(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.cancel(id.into()).await.map(Answer::Cancelled) })
    }

    fn cancel_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |queue| async move { queue.cancel_many(&ids).await.map(Answer::CancelledMany) })
    }

    fn get(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { Ok(Answer::Task(queue.get(id.into()).await?.map(Box::new))) })
    }

    fn get_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |queue| async move { queue.get_many(&ids).await.map(Answer::TasksOrNone) })
    }

    fn predecessors(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.predecessors(id.into()).await.map(Answer::Ids) })
    }

    fn update(&self, py: Python<'_>, id: Uuid, change: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let change = from_update(change, self.convert, &self.codec)?;
        self.verb(py, move |queue| async move {
            Ok(Answer::Task(Some(Box::new(queue.update(id.into(), change).await?))))
        })
    }

    fn retry(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.retry(id.into()).await.map(|()| Answer::None) })
    }

    fn retry_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |queue| async move { queue.retry_many(&ids).await.map(|()| Answer::None) })
    }

    fn delete(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.delete(id.into()).await.map(|()| Answer::None) })
    }

    fn delete_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |queue| async move { queue.delete_many(&ids).await.map(|()| Answer::None) })
    }

    fn list(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |queue| async move { queue.list(&filter).await.map(Answer::Tasks) })
    }

    fn count(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |queue| async move { queue.count(&filter).await.map(Answer::Count) })
    }

    fn purge(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |queue| async move { queue.purge(&filter).await.map(Answer::Count) })
    }

    fn retry_all(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |queue| async move { queue.retry_all(&filter).await.map(Answer::Count) })
    }

    fn cancel_all(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |queue| async move { queue.cancel_all(&filter).await.map(Answer::CancelCounts) })
    }

    fn delete_all(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |queue| async move { queue.delete_all(&filter).await.map(Answer::Count) })
    }

    fn prune(&self, py: Python<'_>, limit: u32) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.prune(limit).await.map(Answer::Count) })
    }

    fn pause(&self, py: Python<'_>, queue: Name) -> PyResult<Pending> {
        let name = queue.0;
        self.verb(py, |queue| async move { queue.pause(&name).await.map(|()| Answer::None) })
    }

    fn resume(&self, py: Python<'_>, queue: Name) -> PyResult<Pending> {
        let name = queue.0;
        self.verb(py, |queue| async move { queue.resume(&name).await.map(|()| Answer::None) })
    }

    fn queues(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.queues().await.map(Answer::Queues) })
    }

    fn workers(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |queue| async move { queue.workers().await.map(Answer::Workers) })
    }

    fn register_worker(
        &self,
        py: Python<'_>,
        name: Name,
        queues: Vec<Name>,
        lease: Span,
    ) -> PyResult<Pending> {
        let info = WorkerInfo { name: name.0, lease: lease.0, ..WorkerInfo::new(names(queues)) };
        self.verb(py, |queue| async move { queue.register_worker(&info).await.map(Answer::Worker) })
    }

    fn deregister_worker(&self, py: Python<'_>, worker: i64) -> PyResult<Pending> {
        self.verb(py, move |queue| async move {
            queue.deregister_worker(WorkerId(worker)).await.map(Answer::Count)
        })
    }

    fn heartbeat(&self, py: Python<'_>, worker: i64) -> PyResult<Pending> {
        self.verb(py, move |queue| async move {
            queue.heartbeat_connection().heartbeat(WorkerId(worker), None).await.map(Answer::Heartbeat)
        })
    }

    fn claim(
        &self,
        py: Python<'_>,
        worker: i64,
        queues: Vec<Name>,
        limit: u32,
        funcs: Option<Vec<Name>>,
    ) -> PyResult<Pending> {
        let request = request(queues, limit, Span(Duration::ZERO), funcs);
        self.verb(
            py,
            move |queue| async move { queue.claim(WorkerId(worker), &request).await.map(Answer::Tasks) },
        )
    }

    fn lost(&self, py: Python<'_>, limit: u32) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.lost(limit).await.map(Answer::Lost) })
    }

    fn expired(&self, py: Python<'_>, limit: u32) -> PyResult<Pending> {
        self.verb(py, move |queue| async move { queue.expired(limit).await.map(Answer::Tasks) })
    }

    /// Opens it, unless it is open.
    fn connect(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |_| async { Ok(Answer::None) })
    }

    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        let closing = self.slot.close(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move {
            if let Some(queue) = closing.await {
                queue.close().await?;
            }
            Ok(Answer::None)
        }))
    }
}

/// Whether the class of a queue that is written in Python has its own form of this verb, and thus tasks that run after others.
fn implements_predecessors(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    let its = object.get_type().getattr(intern!(py, "predecessors"))?;
    for base in [
        imported!(py, "omniq.storage.base.queue", "AsyncTaskQueue")?,
        imported!(py, "omniq._generated.queue", "TaskQueue")?,
    ] {
        if its.is(&base.getattr(intern!(py, "predecessors"))?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn request(queues: Vec<Name>, limit: u32, timeout: Span, funcs: Option<Vec<Name>>) -> Dequeue {
    let request = Dequeue::from(names(queues)).limit(limit).timeout(timeout.0);
    match funcs {
        Some(funcs) => request.funcs(names(funcs)),
        None => request,
    }
}
