//! The worker: claims tasks, runs their handlers, settles them.
//!
//! The life of a task, in reading order: `session` waits for events, fetches tasks (`fetch`) and fills the `local_queue`,
//! from which executors take them, one for each slot (`execute`); the `outbox` carries the end of each run to the
//! `writer`, which settles many together.

mod batch;
mod builder;
mod completer;
mod due_times;
mod entries;
mod execute;
mod fetch;
mod functions;
mod group;
mod handed_back;
mod local_queue;
mod maintenance;
mod outage;
mod outbox;
mod overflow;
mod parts;
mod prefetch;
mod run_log;
mod session;
mod signals;
mod stop;
mod summary;
mod tally;
mod ticker;
mod tight_loops;
mod together;
mod writer;

use std::time::Duration;

pub use builder::WorkerBuilder;
#[cfg(feature = "testing")]
pub(crate) use completer::without_worker;
pub use group::WorkerGroup;
pub(crate) use outbox::Outbox;
use parts::{Parts, Settings};
use session::{End, Session};
pub use stop::WorkerHandle;

use crate::handler::install_hook;
use crate::lease::Lease;
use crate::sync::AbortOnDrop;
use crate::{Error, Result};

/// The most queues and functions that the line of a start names.
const NAMED: usize = 50;

/// Runs tasks until it is stopped. Made by [`Worker::builder`].
///
/// - A task is claimed, run, and settled under its claim. If the worker crashes before the settlement, another worker
///   takes the task back within about 15 seconds (by default: 10 of the lease, up to 2.5 until the next maintenance);
///   the attempt counts. Handlers thus run at least once, and must tolerate another run.
/// - If the worker loses its lease, as after a long suspension of the process or without the database, it stops its
///   runs by itself before other workers may take the tasks, registers anew and goes on.
/// - Outages of the database are waited out. The log has one line when an outage begins and one when it ends.
/// - [`WorkerHandle::stop`] ends it gracefully: no task is lost, and none runs twice because of it.
/// - Dropping the future of a `run` method is like a crash: handlers are stopped, and their tasks return when the lease
///   ends.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{Backend, Context, Failure, MemoryQueue, MemoryResultStorage, NewTask, Worker};
/// use std::{sync::Arc, time::Duration};
///
/// async fn add((a, b): (i64, i64), _: Context) -> Result<i64, Failure> {
///     Ok(a + b)
/// }
/// # fn main() -> omniq_core::Result<()> {
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let backend =
///     Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
/// let worker = Worker::builder(&backend)
///     .register("add", add)
///     .register_blocking("read", |path: String, _| Ok(std::fs::read_to_string(path)?))
///     .build()?;
/// let handle = worker.handle();
/// let running = tokio::spawn(worker.run());
///
/// let id = backend.enqueue(NewTask::new("add", &(1, 2))?).await?;
/// let sum: i64 = backend.wait_for(id, Duration::from_secs(10)).await?;
/// assert_eq!(sum, 3);
///
/// handle.stop();
/// running.await.unwrap()
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct Worker(Parts);

impl Worker {
    /// A handle that stops this worker from outside.
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle::new([self.0.handle.clone()])
    }

    /// Its name, as shown in results and events.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Runs until it is stopped by its handle.
    ///
    /// Errors: those that do not pass by waiting, such as `is_permission_denied`, `is_schema_missing` or `is_closed`.
    /// As in a stop, runs may end before it returns, up to the grace time.
    pub async fn run(self) -> Result<()> {
        let (backend, interval) = (&self.0.backend, self.0.settings.maintenance);
        let declares = self.0.settings.app.is_some();
        let _maintenance = AbortOnDrop(tokio::spawn(maintenance::run(backend.clone(), interval, declares)));
        let _ticker = AbortOnDrop(tokio::spawn(ticker::run(backend.clone(), interval)));
        let _summary = AbortOnDrop(tokio::spawn(summary::run(summary::Watched::of(&self.0))));
        self.at_work(None).await
    }

    /// Runs until this future is ready, then stops gracefully.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        Self::group([self]).run_until(shutdown).await
    }

    /// Runs until the process gets SIGTERM or SIGINT (on other systems than Unix: Ctrl-C), then stops gracefully; a
    /// second signal stops it at once. Signals within a tenth of a second are one. Error `is_internal` if signals
    /// cannot be listened to.
    ///
    /// A handler that blocks its thread and ignores a stop would keep the process from ending. A second after the grace
    /// time its task is released, the attempt not counted, and the process exits with code 0. Without such handlers
    /// this returns.
    pub async fn run_with_signals(self) -> Result<()> {
        Self::group([self]).run_with_signals().await
    }

    /// Runs until nothing is left to claim and nothing runs any more. Tasks that start later, among them retries after
    /// a wait, and those of functions that are not registered, are left.
    ///
    /// Before it begins, tasks of lost workers are taken back. Errors as in [`run`](Self::run).
    pub async fn run_until_idle(self) -> Result<()> {
        self.run_until_idle_within(Duration::ZERO).await
    }

    /// As [`run_until_idle`](Self::run_until_idle), but waits for tasks of its queues that are due within `soon` from when
    /// the worker is idle: retries after their wait, and tasks that were snoozed or delayed. `Duration::MAX`: for all. A task
    /// that is put off again and again is waited for each time.
    pub async fn run_until_idle_within(self, soon: Duration) -> Result<()> {
        if let Err(error) = maintenance::pass(&self.0.backend).await {
            tracing::warn!(%error, "maintenance failed");
        }
        self.at_work(Some(soon)).await
    }

    /// Works in a task on the runtime's own threads, where neither notifications nor the runs that a session begins
    /// need to move to another thread. The caller's future may be polled elsewhere.
    async fn at_work(self, until_idle: Option<Duration>) -> Result<()> {
        let mut work = AbortOnDrop(tokio::spawn(self.work(until_idle)));
        match (&mut work.0).await {
            Ok(ended) => ended,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::closed("the runtime that the worker ran on has ended")),
            },
        }
    }

    async fn work(self, until_idle: Option<Duration>) -> Result<()> {
        install_hook();
        let mut state = session::Lasting::new(&self.0);
        while let Some(lease) = self.register().await? {
            self.log_start(&lease);
            match Session::new(&self.0, &mut state, lease, until_idle).run().await {
                End::Stopped => break,
                End::LeaseLost => {}
                End::Failed(error) => return Err(error),
            }
        }
        let (done, failed) = self.0.tally.read();
        tracing::info!(worker = self.name(), done, failed, "worker stopped");
        Ok(())
    }

    fn log_start(&self, lease: &Lease) {
        let Settings { info, concurrency, .. } = &self.0.settings;
        let (worker, id) = (self.name(), lease.worker());
        let functions = listed(&info.funcs);
        let (queues, database) = (listed(&info.queues), self.0.backend.queue().location());
        let version = &info.version;
        tracing::info!(worker, %id, version, %queues, %functions, concurrency, %database, "worker started");
    }

    /// A lease, under which the schedules of the worker's code are declared.
    async fn start_lease(&self) -> Result<Lease> {
        let lease = self.0.backend.queue().start_lease(&self.0.settings.info).await?;
        if let Some(app) = &self.0.settings.app
            && let Err(error) = self.0.backend.declare(lease.worker(), app, &self.0.settings.schedules).await
        {
            // Otherwise it would be taken for a live worker until its lease ends.
            let _ = self.0.backend.queue().deregister_worker(lease.worker()).await;
            return Err(error);
        }
        Ok(lease)
    }

    /// A lease; `None` if the worker was stopped before.
    async fn register(&self) -> Result<Option<Lease>> {
        let mut outage = outage::Outage::new("registering the worker");
        loop {
            let pause = tokio::select! {
                biased;
                () = self.0.handle.stopping() => return Ok(None),
                lease = self.start_lease() => match lease {
                    // A conflict: a schedule of the code has a name that is taken.
                    Err(error) if !(outage::is_fatal(&error) || error.is_conflict()) => outage.failed(&error),
                    lease => {
                        outage.over();
                        return lease.map(Some);
                    }
                }
            };
            tokio::select! {
                () = self.0.handle.stopping() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// The names with commas between, the first ones if there are many.
fn listed(names: &[String]) -> String {
    let (shown, left) = names.split_at(names.len().min(NAMED));
    let rest = if left.is_empty() { String::new() } else { format!(" and {} more", left.len()) };
    shown.join(", ") + &rest
}
