//! Settings and handlers of a worker.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::parts::{Parts, Settings};
use super::stop::Stop;
use super::tally::Tally;
use super::together::Together;
use crate::backend::Backend;
use crate::handler::{Handler, Registry, States};
use crate::logging::{LoggedErrors, logged_errors_from_env};
use crate::model::{Dequeue, Schedule, WorkerInfo, check_name};
use crate::{Error, Result};

/// Makes a [`Worker`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct WorkerBuilder {
    backend: Backend,
    registry: Registry,
    pub(super) states: States,
    #[cfg(feature = "tower")]
    layers: crate::handler::Layers,
    pub(super) settings: Settings,
    pub(super) error: Option<Error>,
}

impl Worker {
    /// A worker on this backend, to be given handlers and settings.
    pub fn builder(backend: impl Into<Backend>) -> WorkerBuilder {
        WorkerBuilder::new(backend.into())
    }
}

impl WorkerBuilder {
    fn new(backend: Backend) -> Self {
        let cpus = std::thread::available_parallelism().map_or(2, usize::from);
        let settings = Settings {
            info: WorkerInfo { lease: backend.queue().self_lease().span(), ..WorkerInfo::new(["default"]) },
            concurrency: (4 * cpus).max(8),
            prefetch: 1000,
            prefetch_wait: Duration::from_millis(100),
            grace: Duration::from_secs(30),
            ends_process: false,
            maintenance: Duration::from_secs(2),
            poll: crate::verbs::POLL,
            summary: Duration::from_secs(60),
            log_errors: None,
            max_tasks: None,
            app: None,
            schedules: Vec::new(),
        };
        Self {
            backend,
            registry: Registry::new(),
            states: States::default(),
            #[cfg(feature = "tower")]
            layers: Default::default(),
            settings,
            error: None,
        }
    }

    /// Adds a handler of any kind. A bad name, or one that is taken, fails the build.
    pub fn handler(mut self, name: impl Into<String>, handler: Handler) -> Self {
        if let Err(error) = self.registry.add(name, handler) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// Takes these handlers, in place of all that were added before.
    pub fn handlers(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// The queues, served in this order: a queue is served only if nothing is ready in those before it. Default:
    /// `default`.
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.settings.info.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// How many runs may go on at once: 1 to 10,000. Default: four for each processor, at least 8. Blocking functions
    /// take a thread each, of which Tokio makes up to 512 by default.
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.settings.concurrency = runs;
        self
    }

    /// The most tasks that are claimed beyond the free slots: 0 to 10,000. Default: 1000; 0 turns it off. Only what is
    /// expected to begin within 20 ms is claimed ahead, and nothing if runs take longer than that.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.settings.prefetch = tasks;
        self
    }

    /// How long prefetched tasks may wait while none is begun, before they are released for other workers, the attempt
    /// not counted. At least 1 ms. Default: 100 ms.
    pub fn prefetch_wait(mut self, wait: Duration) -> Self {
        self.settings.prefetch_wait = wait;
        self
    }

    /// The worker's name in results and events. Default: `host:pid`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.info.name = name.into();
        self
    }

    /// How long claims hold without a heartbeat, which is sent three times in this span. At least 100 ms. Default: the
    /// queue's, which is 10 seconds unless set.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.info.lease = lease;
        self
    }

    /// How long runs may go on after a stop. Default: 30 seconds. After it async handlers are dropped and their tasks
    /// released. Blocking ones are asked to stop, and given up after one more second: their tasks return when the lease
    /// ends. (A Tokio runtime that is dropped waits for such threads; end the process, or use
    /// `Runtime::shutdown_background`.)
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Declares that the process ends right after the stopped worker. Runs that go on in spite of the stop
    /// ([`WorkerHandle::left`](super::WorkerHandle::left)) end with the process, so their tasks are released, the attempt not counted; otherwise
    /// the tasks return when the lease ends. Default: false; [`Worker::run_with_signals`] sets it.
    pub fn ends_process(mut self, ends: bool) -> Self {
        self.settings.ends_process = ends;
        self
    }

    /// How often each maintenance step runs: the rescue of tasks of lost workers, the expiry and removal of tasks, and
    /// the upkeep of queue, results and events. At least 1 ms. Default: 2 seconds; each wait differs at random by up to
    /// a quarter.
    pub fn maintenance_interval(mut self, interval: Duration) -> Self {
        self.settings.maintenance = interval;
        self
    }

    /// How often an idle worker claims without a notification. At least 1 ms. Default: 500 ms.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.settings.poll = interval;
        self
    }

    /// What the log shows of the error of a failed run. Default: that of the environment (`OMNIQ_LOG_ERRORS`), else its
    /// message, and at the level info or lower its trace.
    pub fn log_errors(mut self, shown: LoggedErrors) -> Self {
        self.settings.log_errors = Some(shown);
        self
    }

    /// After how many runs the worker stops gracefully, as by its handle; those that have begun by then end as usual. At
    /// least 1. Default: it does not stop by itself.
    pub fn max_tasks(mut self, runs: u64) -> Self {
        self.settings.max_tasks = Some(runs);
        self
    }

    /// Adds a schedule that stands in this worker's code. When the worker starts, it is saved unless it is as it was; a schedule that is
    /// in the code of no live worker of the application any more is removed. Bad ones, and two of one name, fail the build; one whose name
    /// was given to a schedule at run time or in another application fails the start (`is_conflict`).
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.settings.schedules.push(schedule);
        self
    }

    /// The application whose code this worker runs, which has the schedules. Workers of one application must be built with the same name,
    /// those of different ones with different names. Default: the name of the program's file, if the worker has schedules; without
    /// schedules and without this name the worker declares none and removes none.
    pub fn app(mut self, name: impl Into<String>) -> Self {
        self.settings.app = Some(name.into());
        self
    }

    /// How long results are kept; `None`: without end. Default: the backend's, which is seven days.
    pub fn result_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.backend = self.backend.with_result_ttl(ttl);
        self
    }

    /// Adds a `tower` layer around the runs of all functions, whether they were added before it or after it. The last layer
    /// is the outermost, as of axum's routers. Feature `tower`; see [`Handler::layer`].
    ///
    /// The layer is applied to each function by itself: one that counts or limits does so for each function, unless what it
    /// counts is shared, as by `GlobalConcurrencyLimitLayer`.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{Context, Payload, RunService};
    /// use std::task::{self, Poll};
    /// use tower_service::Service;
    ///
    /// /// Tells how long each run took.
    /// #[derive(Clone)]
    /// struct Timed(RunService);
    ///
    /// impl Service<Context> for Timed {
    ///     type Response = Option<Payload>;
    ///     type Error = omniq::Failure;
    ///     type Future = std::pin::Pin<Box<dyn Future<Output = Result<Option<Payload>, omniq::Failure>> + Send>>;
    ///
    ///     fn poll_ready(&mut self, task: &mut task::Context<'_>) -> Poll<Result<(), omniq::Failure>> {
    ///         self.0.poll_ready(task)
    ///     }
    ///
    ///     fn call(&mut self, context: Context) -> Self::Future {
    ///         let (run, begun) = (self.0.call(context.clone()), std::time::Instant::now());
    ///         Box::pin(async move {
    ///             let answer = run.await;
    ///             println!("{} took {:?}", context.task().func, begun.elapsed());
    ///             answer
    ///         })
    ///     }
    /// }
    ///
    /// # let backend = omniq::Backend::new(std::sync::Arc::new(omniq::MemoryQueue::new()));
    /// omniq::Worker::builder(&backend)
    ///     .register("square", |n: i64, _| async move { Ok(n * n) })
    ///     .layer(tower_layer::layer_fn(Timed));
    /// ```
    #[cfg(feature = "tower")]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: tower_layer::Layer<crate::RunService> + Send + Sync + 'static,
        L::Service: tower_service::Service<crate::Context, Response = Option<crate::Payload>>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as tower_service::Service<crate::Context>>::Error: Into<crate::BoxError> + 'static,
        <L::Service as tower_service::Service<crate::Context>>::Future: Send + 'static,
    {
        self.layers.add(move |handler| handler.layer(&layer));
        self
    }

    /// The worker. Errors: `is_invalid` for bad names and settings, `is_config` for a name registered twice, or no
    /// handler at all.
    pub fn build(self) -> Result<Worker> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Settings { info, concurrency, prefetch, prefetch_wait, maintenance, poll, .. } = &self.settings;
        info.check()?;
        Dequeue::from(info.queues.iter().cloned()).check()?;
        if self.registry.names().is_empty() {
            return Err(Error::config("the worker has no handler: register at least one"));
        }
        self.registry.check(&self.states)?;
        if !(1..=10_000).contains(concurrency) {
            return Err(Error::invalid(format!("concurrency = {concurrency} is refused: give 1 to 10000")));
        }
        if *prefetch > 10_000 {
            return Err(Error::invalid(format!("prefetch = {prefetch} is refused: give 0 to 10000")));
        }
        for (what, time) in
            [("maintenance_interval", maintenance), ("poll", poll), ("prefetch_wait", prefetch_wait)]
        {
            if *time < Duration::from_millis(1) {
                let seconds = time.as_secs_f64();
                return Err(Error::invalid(format!(
                    "{what} = {seconds} seconds is refused: give at least 0.001 seconds"
                )));
            }
        }
        if self.settings.max_tasks == Some(0) {
            return Err(Error::invalid("max_tasks = 0 is refused: give at least 1"));
        }
        Schedule::check_all(&self.settings.schedules, self.backend.limits())?;
        if !self.settings.schedules.is_empty() {
            self.backend.require_schedules()?;
        }
        if let Some(app) = &self.settings.app {
            check_name("application name", app)?;
        }
        #[cfg(feature = "tower")]
        let registry = self.layers.around_all(self.registry);
        #[cfg(not(feature = "tower"))]
        let registry = self.registry;
        let mut settings = self.settings;
        if settings.log_errors.is_none() {
            settings.log_errors = logged_errors_from_env()?;
        }
        if settings.app.is_none() && !settings.schedules.is_empty() {
            settings.app = Some(program()?);
        }
        settings.info.funcs = registry.names();
        settings.info.slots = u32::try_from(settings.concurrency).ok();
        let handle = Stop::new();
        let tally = Arc::new(Tally::new(settings.max_tasks, handle.clone()));
        let (backend, states) = (self.backend, self.states);
        let together = Together::alone();
        Ok(Worker(Parts { settings, backend, registry, states, handle, tally, together }))
    }
}

/// The name of the program's file.
fn program() -> Result<String> {
    let path = std::env::current_exe().ok();
    let name =
        path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| {
        Error::config("the worker has schedules, and its program has no name: give one by `app`")
    })
}
