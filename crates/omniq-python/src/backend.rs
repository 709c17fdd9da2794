//! Tasks, results and events in one object: how it is composed, and the verbs that keep the three consistent.

use std::future::Future;
use std::sync::Arc;

use omniq::backend::postgres::{AsyncPostgresBackend, Placement};
use omniq::port::WaitMany as Waiting;
use omniq::{Backend as Core, Limits, NewTask, Payload, Result, Schedule, Task};
use pyo3::prelude::*;
use uuid::Uuid;

use crate::answer::{Answer, statement};
use crate::convert::filter::from_task_filter;
use crate::convert::name::Name;
use crate::convert::new_task::from_new_task;
use crate::convert::options::Convert;
use crate::convert::payload::encode;
use crate::convert::schedule::from_schedule;
use crate::convert::settlement::{SettlementArg, batch_of, mode_of};
use crate::convert::small::{TaskErrorArg, task_ids};
use crate::convert::task::{TaskArg, with_errors};
use crate::convert::time::Span;
use crate::error::to_py;
use crate::events::Events;
use crate::memory::Memory;
use crate::pending::Pending;
use crate::queue::Queue;
use crate::results::Results;
use crate::schedules::Schedules;
use crate::server::{server_of, started};
use crate::settings::Settings;
use crate::slot::{MEMORY, Opening, Slot};
use crate::transaction::{DatabaseArg, NewTasks, check_new, database_id};
use crate::wait_many::WaitMany;

/// A backend. Every verb returns a `Pending`.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Backend {
    pub(crate) slot: Arc<Slot<Core>>,
    pub(crate) convert: Convert,
    codec: Arc<str>,
}

impl Backend {
    pub(crate) fn verb<Fut>(
        &self,
        py: Python<'_>,
        verb: impl FnOnce(Core) -> Fut + Send + 'static,
    ) -> PyResult<Pending>
    where
        Fut: Future<Output = Result<Answer>> + Send,
    {
        let backend = self.slot.get(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move { verb(backend.await?).await }))
    }

    fn converted(&self, tasks: &[Bound<'_, PyAny>]) -> PyResult<Vec<NewTask>> {
        tasks.iter().map(|task| from_new_task(task, self.convert, &self.codec)).collect()
    }

    fn with_values(
        &self,
        done: Vec<(TaskArg, Bound<'_, PyAny>)>,
        codec: Option<&str>,
    ) -> PyResult<Vec<(Task, Option<Payload>)>> {
        let codec = codec.unwrap_or(&self.codec);
        let one = |(task, value): (TaskArg, Bound<'_, PyAny>)| {
            Ok((task.0, Some(encode(&value, codec, self.convert)?)))
        };
        done.into_iter().map(one).collect()
    }

    /// Reads the schedules of a worker's code.
    pub(crate) fn schedules_of(&self, schedules: &[Bound<'_, PyAny>]) -> PyResult<Vec<Schedule>> {
        schedules.iter().map(|schedule| from_schedule(schedule, self.convert, &self.codec)).collect()
    }

    /// A slot for a part of this backend. Opening it opens the whole backend.
    fn part<T: Clone + Send + Sync + 'static>(
        &self,
        part: impl Fn(&Core) -> Result<T> + Clone + Send + Sync + 'static,
    ) -> Arc<Slot<T>> {
        let whole = Arc::clone(&self.slot);
        Slot::new(move |py| {
            let (whole, part) = (whole.get(py)?, part.clone());
            Ok(Box::pin(async move { part(&whole.await?) }))
        })
    }
}

/// Parts that were made separately and are passed to the backend.
struct Given {
    queue: Option<Py<Queue>>,
    results: Option<Py<Results>>,
    events: Option<Py<Events>>,
    /// The private server to start for the parts that are on PostgreSQL.
    server: Option<omniq_embedded::Options>,
}

impl Given {
    /// Opens the parts that the settings describe, except those that are given.
    fn open(&self, py: Python<'_>, settings: &Settings) -> Result<Opening<Core>> {
        let queue = self.queue.as_ref().map(|queue| queue.get().slot.get(py)).transpose()?;
        let results = self.results.as_ref().map(|results| results.get().slot.get(py)).transpose()?;
        let events = self.events.as_ref().map(|events| events.get().slot.get(py)).transpose()?;
        let mut settings = settings.0.clone();
        if queue.is_some() {
            settings.tasks = Placement::Memory;
        }
        if results.is_some() {
            settings.results = Placement::Off;
        }
        if events.is_some() {
            settings.events = Placement::Off;
        }
        let server = self.server.clone();
        Ok(Box::pin(async move {
            if let Some(server) = server {
                let url = started(server, &settings).await?;
                tracing::warn!(
                    target: "omniq::server",
                    "no database is set, so tasks are kept by the private PostgreSQL server of this user, at {url} (see `omniq dev \
                     status`): set OMNIQ_URL or give a URL for another, or set OMNIQ_URL=$(omniq dev url) if this is meant; \
                     OMNIQ_EMBEDDED=off forbids it"
                );
                settings.url = Some(url.complete());
            }
            // The given parts are opened first: if one fails, this backend has no open connection yet.
            let queue = match queue {
                Some(queue) => Some(queue.await?),
                None => None,
            };
            let results = match results {
                Some(results) => Some(results.await?),
                None => None,
            };
            let events = match events {
                Some(events) => Some(events.await?),
                None => None,
            };
            let opened = AsyncPostgresBackend::with_settings(&settings).await?;
            let opened = opened.backend();
            let mut limits = Limits::default();
            limits.max_payload = settings.max_payload;
            let mut backend = Core::new(queue.unwrap_or_else(|| Arc::clone(opened.queue())))
                .with_result_ttl(settings.result_ttl)
                .with_event_ttl(settings.event_ttl)
                .with_keep_args(settings.keep_args)
                .with_limits(limits);
            if let Some(results) = results.or_else(|| opened.results().map(Arc::clone)) {
                backend = backend.with_results(results);
            }
            if let Some(events) = events.or_else(|| opened.events().map(Arc::clone)) {
                backend = backend.with_events(events);
            }
            Ok(backend)
        }))
    }
}

#[pymethods]
impl Backend {
    #[new]
    fn new(
        settings: &Bound<'_, Settings>,
        codec: &str,
        allow_pickle: bool,
        queue: Option<Py<Queue>>,
        results: Option<Py<Results>>,
        events: Option<Py<Events>>,
    ) -> Self {
        let settings = settings.get().clone();
        let given = Given { queue, results, events, server: None };
        let slot = Slot::new(move |py| given.open(py, &settings));
        Self { slot, convert: Convert { allow_pickle }, codec: codec.into() }
    }

    /// A backend on the embedded server, which is started at first use. `programs` is the folder with the server's
    /// programs.
    #[staticmethod]
    fn embedded(
        settings: &Bound<'_, Settings>,
        codec: &str,
        allow_pickle: bool,
        queue: Option<Py<Queue>>,
        results: Option<Py<Results>>,
        events: Option<Py<Events>>,
        programs: Option<std::path::PathBuf>,
    ) -> Self {
        let settings = settings.get().clone();
        let server = Some(server_of(programs));
        let given = Given { queue, results, events, server };
        let slot = Slot::new(move |py| given.open(py, &settings));
        Self { slot, convert: Convert { allow_pickle }, codec: codec.into() }
    }

    /// A backend on what a test keeps in memory, of which there may be several, one after the other.
    #[staticmethod]
    fn in_memory(settings: &Bound<'_, Settings>, codec: &str, allow_pickle: bool, memory: &Memory) -> Self {
        let slot = Slot::given(memory.open(settings.get()), MEMORY);
        Self { slot, convert: Convert { allow_pickle }, codec: codec.into() }
    }

    /// The queue of this backend.
    fn queue(&self) -> Queue {
        let slot = self.part(|backend| Ok(Arc::clone(backend.queue())));
        Queue { slot, convert: self.convert, codec: Arc::clone(&self.codec), notifier: None }
    }

    /// The result storage of this backend. Its verbs fail if results are off.
    fn results(&self) -> Results {
        let slot = self.part(|backend| backend.require_results().map(Arc::clone));
        Results { slot, convert: self.convert }
    }

    /// The event storage of this backend. Its verbs fail if events are off.
    fn events(&self) -> Events {
        Events { slot: self.part(|backend| backend.require_events().map(Arc::clone)) }
    }

    /// The schedules of this backend's queue. Its verbs fail if the queue has none.
    fn schedules(&self) -> Schedules {
        let slot = self.part(Core::require_schedules);
        Schedules { slot, convert: self.convert, codec: Arc::clone(&self.codec) }
    }

    /// Declares schedules as a worker of this application that lives for the time of the call.
    fn declare_schedules(
        &self,
        py: Python<'_>,
        app: Name,
        schedules: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Pending> {
        let schedules = self.schedules_of(&schedules)?;
        self.verb(py, |backend| async move {
            backend.declare_schedules(&app.0, &schedules).await.map(|()| Answer::None)
        })
    }

    /// Carries out the ticks that are due, and gives the ids of their tasks, and the time until the next tick.
    fn tick_schedules(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |backend| async move {
            let (ticks, next) = backend.tick_schedules().await?;
            Ok(Answer::Ticked(ticks.iter().filter_map(|tick| tick.task_id).collect(), next))
        })
    }

    fn latest_result(&self, py: Python<'_>, schedule: Name) -> PyResult<Pending> {
        self.verb(py, |backend| async move {
            Ok(Answer::Result(backend.latest_result(&schedule.0).await?.map(Box::new)))
        })
    }

    fn enqueue(&self, py: Python<'_>, task: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let task = from_new_task(task, self.convert, &self.codec)?;
        self.verb(py, |backend| async move { backend.enqueue(task).await.map(Answer::Id) })
    }

    fn enqueue_many(&self, py: Python<'_>, tasks: Vec<Bound<'_, PyAny>>) -> PyResult<Pending> {
        let tasks = self.converted(&tasks)?;
        self.verb(py, |backend| async move { backend.enqueue_many(tasks).await.map(Answer::Ids) })
    }

    fn predecessors(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |backend| async move {
            backend.predecessors(id.into()).await.map(Answer::Predecessors)
        })
    }

    fn result(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |backend| async move {
            Ok(Answer::Result(backend.result(id.into()).await?.map(Box::new)))
        })
    }

    fn wait(&self, py: Python<'_>, id: Uuid, timeout: Span) -> PyResult<Pending> {
        self.verb(py, move |backend| async move {
            Ok(Answer::Result(Some(Box::new(backend.wait(id.into(), timeout.0).await?))))
        })
    }

    /// A wait for the results of many tasks, which its `next` names. The timeout counts from now.
    fn wait_many(&self, timeout: Span) -> WaitMany {
        WaitMany::new(&self.slot, self.convert, Waiting::new(timeout.0))
    }

    /// Completes the task and, if results are on, stores `value`. `None` is stored like any other value.
    fn complete(
        &self,
        py: Python<'_>,
        task: TaskArg,
        value: &Bound<'_, PyAny>,
        codec: Option<&str>,
    ) -> PyResult<Pending> {
        let value = encode(value, codec.unwrap_or(&self.codec), self.convert)?;
        self.verb(
            py,
            |backend| async move { backend.complete(&task.0, Some(value)).await.map(|()| Answer::None) },
        )
    }

    fn complete_many(
        &self,
        py: Python<'_>,
        done: Vec<(TaskArg, Bound<'_, PyAny>)>,
        codec: Option<&str>,
    ) -> PyResult<Pending> {
        let done = self.with_values(done, codec)?;
        self.verb(py, |backend| async move { backend.complete_many(done).await.map(|()| Answer::None) })
    }

    fn fail_many(&self, py: Python<'_>, failed: Vec<(TaskArg, TaskErrorArg)>) -> PyResult<Pending> {
        let failed = with_errors(failed);
        self.verb(py, |backend| async move { backend.fail_many(failed).await.map(Answer::States) })
    }

    fn fail(&self, py: Python<'_>, task: TaskArg, error: TaskErrorArg) -> PyResult<Pending> {
        self.verb(py, |backend| async move { backend.fail(&task.0, error.0).await.map(Answer::State) })
    }

    fn cancel(&self, py: Python<'_>, id: Uuid) -> PyResult<Pending> {
        self.verb(py, move |backend| async move { backend.cancel(id.into()).await.map(Answer::Cancelled) })
    }

    fn cancel_all(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let filter = from_task_filter(filter)?;
        self.verb(py, |backend| async move { backend.cancel_all(&filter).await.map(Answer::CancelCounts) })
    }

    fn cancel_many(&self, py: Python<'_>, ids: Vec<Uuid>) -> PyResult<Pending> {
        let ids = task_ids(ids);
        self.verb(py, |backend| async move { backend.cancel_many(&ids).await.map(Answer::CancelledMany) })
    }

    fn settle(&self, py: Python<'_>, batch: Vec<SettlementArg>, all: bool) -> PyResult<Pending> {
        let (batch, mode) = (batch_of(batch), mode_of(all));
        self.verb(py, move |backend| async move { backend.settle(&batch, mode).await.map(Answer::Settled) })
    }

    /// The statement that adds tasks in the user's transaction; as of the queue. Refuses a chosen id if results are stored elsewhere
    /// and have one of an earlier task with it.
    fn enqueue_statement(
        &self,
        py: Python<'_>,
        tasks: &NewTasks,
        stale: Option<DatabaseArg>,
    ) -> PyResult<Pending> {
        let (tasks, stale) = (tasks.0.clone(), stale.map(database_id));
        self.verb(py, |backend| async move { statement(backend.enqueue_statement(tasks, stale).await) })
    }

    fn complete_statement(
        &self,
        py: Python<'_>,
        done: Vec<(TaskArg, Bound<'_, PyAny>)>,
        codec: Option<&str>,
    ) -> PyResult<Pending> {
        let done = self.with_values(done, codec)?;
        self.verb(py, |backend| async move { statement(backend.complete_statement(done).await) })
    }

    fn fail_statement(&self, py: Python<'_>, failed: Vec<(TaskArg, TaskErrorArg)>) -> PyResult<Pending> {
        let failed = with_errors(failed);
        self.verb(py, |backend| async move { statement(backend.fail_statement(failed).await) })
    }

    fn settle_statement(&self, py: Python<'_>, batch: Vec<SettlementArg>, all: bool) -> PyResult<Pending> {
        let (batch, mode) = (batch_of(batch), mode_of(all));
        self.verb(py, move |backend| async move { statement(backend.settle_statement(&batch, mode).await) })
    }

    /// Converts tasks for an enqueue inside the user's transaction.
    fn new_tasks(&self, tasks: Vec<Bound<'_, PyAny>>) -> PyResult<NewTasks> {
        self.converted(&tasks).map(NewTasks)
    }

    /// Refuses tasks that `enqueue_new` would refuse now.
    fn check_new(&self, py: Python<'_>, tasks: &NewTasks, max_payload: usize) -> PyResult<Pending> {
        let tasks = tasks.0.clone();
        self.verb(py, move |backend| async move {
            check_new(&**backend.queue(), &tasks, max_payload).await.map(|()| Answer::None)
        })
    }

    /// Adds tasks that were converted before.
    fn enqueue_new(&self, py: Python<'_>, tasks: &NewTasks) -> PyResult<Pending> {
        let tasks = tasks.0.clone();
        self.verb(py, |backend| async move { backend.enqueue_unique_many(tasks).await.map(Answer::Enqueued) })
    }

    /// Opens all parts, unless they are open.
    fn connect(&self, py: Python<'_>) -> PyResult<Pending> {
        self.verb(py, |_| async { Ok(Answer::None) })
    }

    fn close(&self, py: Python<'_>) -> PyResult<Pending> {
        let closing = self.slot.close(py).map_err(|error| to_py(py, error))?;
        Ok(Pending::new(self.convert, async move {
            if let Some(backend) = closing.await {
                backend.close().await?;
            }
            Ok(Answer::None)
        }))
    }
}
