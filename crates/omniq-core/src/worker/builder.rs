//! Settings and handlers of a worker.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{Settings, Worker, WorkerHandle};
use crate::backend::Backend;
use crate::handler::{Context, Failure, Handler, Registry};
use crate::model::{Dequeue, WorkerInfo};
use crate::{Error, Result};

/// Makes a [`Worker`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct WorkerBuilder {
    backend: Backend,
    registry: Registry,
    settings: Settings,
    error: Option<Error>,
}

impl WorkerBuilder {
    pub(super) fn new(backend: Backend) -> Self {
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
        };
        Self { backend, registry: Registry::new(), settings, error: None }
    }

    /// Adds an async function; see [`Handler::new`].
    pub fn register<A, O, E, F, Fut>(self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        E: Into<Failure>,
        F: Fn(A, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, E>> + Send + 'static,
    {
        self.handler(name, Handler::new(function))
    }

    /// Adds a blocking function; see [`Handler::blocking`].
    pub fn register_blocking<A, O, E, F>(self, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned,
        O: Serialize,
        E: Into<Failure>,
        F: Fn(A, Context) -> Result<O, E> + Send + Sync + 'static,
    {
        self.handler(name, Handler::blocking(function))
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

    /// The queues, served in this order: one is looked at only when nothing is ready in those before it. Default: `default`.
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.settings.info.queues = queues.into_iter().map(Into::into).collect();
        self
    }

    /// How many runs may go on at once. Default: four for each processor, at least 8. Blocking functions take a thread each,
    /// of which Tokio makes up to 512 by default.
    pub fn concurrency(mut self, runs: usize) -> Self {
        self.settings.concurrency = runs;
        self
    }

    /// The most tasks that are claimed beyond the free slots. Default: 1000; 0 turns it off. Only what is expected to begin
    /// within 20 ms is claimed ahead, and nothing where runs take longer than that.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.settings.prefetch = tasks;
        self
    }

    /// How long tasks that were claimed ahead may lie there while no slot becomes free, before they are handed back for others,
    /// the attempt not counted. Default: 100 ms.
    pub fn prefetch_wait(mut self, wait: Duration) -> Self {
        self.settings.prefetch_wait = wait;
        self
    }

    /// The worker's name in results and events. Default: `host:pid`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.info.name = name.into();
        self
    }

    /// How long claims hold without a heartbeat. Default: as set for the queue, which is 10 seconds; at least 100 ms. The heartbeat comes three times in it.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.info.lease = lease;
        self
    }

    /// How long runs may go on after a stop. Default: 30 seconds. After it async handlers are dropped and their tasks handed
    /// back; blocking ones are told, and left alone after one more second: their tasks come back when the lease ends. (A Tokio
    /// runtime that is dropped waits for such threads; end the process, or use `Runtime::shutdown_background`.)
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Says that the process ends as soon as a stopped worker has. What goes on in it in spite of the stop
    /// ([`WorkerHandle::left`]) ends with the process, so its tasks are handed back, the attempt not counted; otherwise they are left
    /// to the lease. Default: false; [`Worker::run_with_signals`] says so by itself.
    pub fn ends_process(mut self, ends: bool) -> Self {
        self.settings.ends_process = ends;
        self
    }

    /// How often tasks of lost workers, expired tasks and expired results are looked for. Default: 2 seconds, give or take a quarter.
    pub fn maintenance_interval(mut self, interval: Duration) -> Self {
        self.settings.maintenance = interval;
        self
    }

    /// How often an idle worker looks without a notification. Default: 500 ms.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.settings.poll = interval;
        self
    }

    /// How long results are kept; `None`: without end. Default: the backend's, which is seven days.
    pub fn result_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.backend = self.backend.with_result_ttl(ttl);
        self
    }

    /// The worker. Errors: `is_invalid` for bad names and settings, `is_config` for a name registered twice, or no handler at all.
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
        Ok(Worker {
            settings: self.settings,
            backend: self.backend,
            registry: self.registry,
            handle: WorkerHandle::new(),
        })
    }
}
