//! The worker. The Rust worker claims, keeps leases, settles and stops; its handlers put runs into run queues.

pub(crate) mod run;
pub(crate) mod run_queue;
pub(crate) mod signals;
mod stop;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omniq::storage::memory::MemoryQueue;
use omniq::{
    Backend as Core, Context, Failure, Handler, LoggedErrors, Registry, Result, Schedule, StopReason,
    Worker as CoreWorker, WorkerBuilder, WorkerHandle,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::watch;

use crate::answer::Answer;
use crate::backend::Backend;
use crate::convert::name::{Name, names};
use crate::convert::options::Convert;
use crate::convert::time::{LEASE, POSITIVE, SPAN, from_span};
use crate::error::to_py;
use crate::pending::Pending;
use crate::slot::Slot;
use omniq::sync::AbortOnDrop;
use run::{Ended, ReplyQueue, Run};
use run_queue::{Inner, RunQueue};
use stop::{LOG, Stop, raise};

/// A function of the worker: its name, what runs it, and its run queue.
struct Function {
    name: String,
    runner: Arc<Py<PyAny>>,
    run_queue: Arc<Inner>,
}

/// A worker on a backend. It can run once.
#[pyclass(frozen, module = "omniq._omniq")]
pub(crate) struct Worker {
    backend: Py<Backend>,
    functions: Arc<[Function]>,
    options: Options,
    stop: Stop,
    /// Set once it runs.
    handle: Arc<OnceLock<WorkerHandle>>,
    ended: stop::Ended,
}

/// The options that were given. The others keep the core's defaults.
#[derive(Default, Clone)]
struct Options {
    queues: Option<Vec<String>>,
    concurrency: Option<usize>,
    prefetch: Option<usize>,
    name: Option<String>,
    lease: Option<Duration>,
    grace: Option<Duration>,
    poll: Option<Duration>,
    maintenance_interval: Option<Duration>,
    max_tasks: Option<u64>,
    log_errors: Option<LoggedErrors>,
    /// How long a run that ignores a stop keeps its slot.
    patience: Duration,
    /// Whether the process ends with the worker.
    ends_process: bool,
    /// The application whose schedules the worker declares; `None`: it declares none.
    app: Option<String>,
    /// The schedules in its code.
    schedules: Vec<Schedule>,
}

impl Options {
    fn read(given: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut options = Self::default();
        for (name, value) in given {
            let name: String = name.extract()?;
            let remedy = match name.as_str() {
                "grace" => SPAN,
                "lease" => LEASE,
                _ => POSITIVE,
            };
            let span = || from_span(&name, &value, remedy);
            match name.as_str() {
                "queues" => options.queues = Some(names(value.extract()?)),
                "concurrency" => options.concurrency = Some(value.extract()?),
                "prefetch" => options.prefetch = Some(value.extract()?),
                "name" => options.name = Some(value.extract::<Name>()?.0),
                "lease" => options.lease = Some(span()?),
                "grace" => options.grace = Some(span()?),
                "poll" => options.poll = Some(span()?),
                "ends_process" => options.ends_process = value.extract()?,
                "patience" => options.patience = span()?,
                "maintenance_interval" => options.maintenance_interval = Some(span()?),
                "max_tasks" => options.max_tasks = Some(value.extract()?),
                "log_errors" => {
                    let shown = value.extract::<Name>()?.0.parse();
                    options.log_errors = Some(shown.map_err(|error| to_py(given.py(), error))?);
                }
                _ => return Err(pyo3::exceptions::PyTypeError::new_err(format!("no such option: {name}"))),
            }
        }
        Ok(options)
    }

    /// Refuses invalid options before anything connects, because connecting waits for a server that is away.
    fn check(&self, functions: &[Function]) -> Result<()> {
        let mut registry = Registry::new();
        for function in functions {
            registry.add(&function.name, Handler::blocking(|(): (), _| Ok::<_, Failure>(())))?;
        }
        self.clone().build(Core::new(Arc::new(MemoryQueue::new())), registry).map(drop)
    }

    fn build(self, backend: Core, registry: Registry) -> Result<CoreWorker> {
        let mut builder = CoreWorker::builder(backend).handlers(registry);
        if let Some(queues) = self.queues {
            builder = builder.queues(queues);
        }
        if let Some(runs) = self.concurrency {
            builder = builder.concurrency(runs);
        }
        if let Some(tasks) = self.prefetch {
            builder = builder.prefetch(tasks);
        }
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(lease) = self.lease {
            builder = builder.lease(lease);
        }
        if let Some(grace) = self.grace {
            builder = builder.grace(grace);
        }
        if let Some(interval) = self.poll {
            builder = builder.poll(interval);
        }
        if let Some(interval) = self.maintenance_interval {
            builder = builder.maintenance_interval(interval);
        }
        if let Some(runs) = self.max_tasks {
            builder = builder.max_tasks(runs);
        }
        if let Some(shown) = self.log_errors {
            builder = builder.log_errors(shown);
        }
        if let Some(app) = self.app {
            builder = builder.app(app);
        }
        builder = self.schedules.into_iter().fold(builder, WorkerBuilder::schedule);
        builder.ends_process(self.ends_process).build()
    }
}

#[pymethods]
impl Worker {
    /// `functions`: (name, runner, run queue) each. `options`: those of the core's builder, and `patience`. `app` and `schedules`: the
    /// application whose code it runs, and all schedules that stand there.
    #[new]
    fn new(
        backend: Py<Backend>,
        functions: Vec<(String, Py<PyAny>, Py<RunQueue>)>,
        options: &Bound<'_, PyDict>,
        app: Option<Name>,
        schedules: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let functions = functions.into_iter().map(|(name, runner, run_queue)| Function {
            name,
            runner: Arc::new(runner),
            run_queue: Arc::clone(&run_queue.get().0),
        });
        let functions: Arc<[Function]> = functions.collect();
        let given = options;
        let mut options = Options::read(given)?;
        options.app = app.map(|app| app.0);
        options.schedules = backend.get().schedules_of(&schedules)?;
        options.check(&functions).map_err(|error| to_py(given.py(), error))?;
        Ok(Self {
            backend,
            functions,
            options,
            stop: Stop::new(0),
            handle: Arc::default(),
            ended: stop::Ended::new(None),
        })
    }

    /// Runs until it is stopped, or, with `until_idle`, until nothing is left to claim.
    fn run(&self, py: Python<'_>, until_idle: bool) -> PyResult<Pending> {
        let whole = self.backend.get();
        let opening = whole.slot.get(py).map_err(|error| to_py(py, error))?;
        let slot = Arc::clone(&whole.slot);
        let (functions, options) = (Arc::clone(&self.functions), self.options.clone());
        let (convert, stop, stopping) = (whole.convert, self.stop.subscribe(), self.stop.clone());
        let begun = Arc::clone(&self.handle);
        let mut end = End { ended: self.ended.clone(), handle: None };
        Ok(Pending::new(convert, async move {
            let Some(backend) = connected(opening, &slot, stop.clone()).await? else {
                return Ok(Answer::None);
            };
            let replies = Arc::new(ReplyQueue::default());
            let mut registry = Registry::new();
            for function in functions.iter() {
                registry.add(&function.name, handler(function, convert, &replies, options.patience))?;
            }
            let worker = options.build(backend, registry)?;
            end.of(worker.handle());
            let _ = begun.set(worker.handle());
            let _deliver = AbortOnDrop(tokio::spawn(replies.deliver()));
            let _stop = AbortOnDrop(tokio::spawn(pass_on(stop, worker.handle())));
            let handle = worker.handle();
            let _stopping = AbortOnDrop(tokio::spawn(async move {
                handle.stopping().await;
                raise(&stopping, 1);
            }));
            if until_idle { worker.run_until_idle().await } else { worker.run().await }.map(|()| Answer::None)
        }))
    }

    /// Whether a stop was asked for, or the worker stops by itself.
    #[getter]
    fn is_stopping(&self) -> bool {
        *self.stop.borrow() > 0
    }

    /// Stops claiming, hands back tasks that were not begun, and lets runs go on for the grace time.
    fn stop(&self) {
        raise(&self.stop, 1);
        // At once: what a run hands back after it has asked for this is not claimed again.
        if let Some(handle) = self.handle.get() {
            handle.stop();
        }
    }

    /// Also asks the runs to stop.
    fn stop_now(&self) {
        raise(&self.stop, 2);
    }
}

/// Reports the worker's end on drop, so that it is reported after errors and cancellation, too.
struct End {
    ended: stop::Ended,
    handle: Option<WorkerHandle>,
}

impl End {
    fn of(&mut self, handle: WorkerHandle) {
        self.handle = Some(handle);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.ended.send_replace(Some(self.handle.as_ref().map_or(0, WorkerHandle::left)));
    }
}

/// The pause between attempts to connect, in addition to the wait within each attempt.
const AWAY: Duration = Duration::from_millis(500);

/// Opens the backend, and waits for a server that is away without limit. `None` if the worker is stopped meanwhile.
async fn connected(
    first: impl Future<Output = Result<Core>> + Send + 'static,
    slot: &Slot<Core>,
    mut stop: watch::Receiver<u8>,
) -> Result<Option<Core>> {
    let mut opening: Pin<Box<dyn Future<Output = Result<Core>> + Send>> = Box::pin(first);
    let mut waited = false;
    loop {
        let opened = tokio::select! {
            biased;
            opened = opening => opened,
            Ok(_) = stop.wait_for(|phase| *phase > 0) => return Ok(None),
        };
        match opened {
            Err(error) if error.is_unavailable() => {
                if !std::mem::replace(&mut waited, true) {
                    tracing::warn!(%error, "the database is away; the worker waits until it is there");
                }
            }
            opened => return opened.map(Some),
        }
        tokio::select! {
            () = tokio::time::sleep(AWAY) => {}
            Ok(_) = stop.wait_for(|phase| *phase > 0) => return Ok(None),
        }
        opening = Box::pin(Python::attach(|py| slot.get(py))?);
    }
}

/// Passes the stop that was requested to the worker.
async fn pass_on(mut stop: watch::Receiver<u8>, handle: WorkerHandle) {
    loop {
        match *stop.borrow_and_update() {
            0 => {}
            1 => handle.stop(),
            _ => return handle.stop_now(),
        }
        if stop.changed().await.is_err() {
            return;
        }
    }
}

/// The handler that puts a run into the function's run queue and waits for its answer. It never takes the GIL.
///
/// A run that ignores a stop is waited for during `patience` and then given up: its task is settled, and its slot is free. When
/// the worker itself stops, the worker bounds the wait.
fn handler(function: &Function, convert: Convert, replies: &Arc<ReplyQueue>, patience: Duration) -> Handler {
    let (runner, run_queue, replies) =
        (Arc::clone(&function.runner), Arc::clone(&function.run_queue), Arc::clone(replies));
    Handler::cooperative(move |context: Context| {
        let (run, ended) = Run::new(context.clone(), convert, Arc::clone(&replies));
        let run_queue = Arc::clone(&run_queue);
        run_queue.push(Arc::clone(&run), Arc::clone(&runner));
        async move {
            let mut ended = ended;
            let reason = tokio::select! {
                biased;
                answer = &mut ended => return given(answer),
                reason = context.cancelled() => reason,
            };
            run_queue.stop(&run);
            if reason == StopReason::Shutdown {
                return given(ended.await);
            }
            if let Ok(answer) = tokio::time::timeout(patience, &mut ended).await {
                return given(answer);
            }
            let task = context.task();
            tracing::warn!(target: LOG, task = %task.id, func = task.func, ?patience, "a run goes on although it was asked to stop: its slot is given to others");
            run_queue.give_up(&run);
            Err(Failure::error("stopped", "it was asked to stop, and went on"))
        }
    })
}

fn given(answer: std::result::Result<Ended, tokio::sync::oneshot::error::RecvError>) -> Ended {
    answer.unwrap_or_else(|_| Err(Failure::error("lost", "the run ended without an answer")))
}
