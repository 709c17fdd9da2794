//! Several workers as one: on several backends, or with queues and slots of their own.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::stop::WorkerHandle;
use super::together::Together;
use super::{Worker, signals};
use crate::sync::AbortOnDrop;
use crate::{Error, Result};

/// Workers that run and stop together. Made by [`Worker::group`].
#[derive(Debug)]
#[must_use = "a group does nothing until it is run"]
pub struct WorkerGroup(Vec<Worker>);

impl Worker {
    /// Workers that run and stop together, each with its own backend, handlers, queues and slots.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{Backend, Context, Failure, MemoryQueue, Worker};
    /// use std::sync::Arc;
    ///
    /// async fn send(to: String, _: Context) -> Result<(), Failure> {
    ///     Ok(())
    /// }
    /// # fn main() -> omniq_core::Result<()> {
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let [shop, news] = [(); 2].map(|()| Backend::new(Arc::new(MemoryQueue::new())));
    /// let group = Worker::group([
    ///     Worker::builder(&shop).register("send", send).build()?,
    ///     Worker::builder(&news).register("send", send).queues(["mail"]).concurrency(4).build()?,
    /// ]);
    /// # group.handle().stop();
    /// group.run_with_signals().await
    /// # })
    /// # }
    /// ```
    pub fn group(workers: impl IntoIterator<Item = Worker>) -> WorkerGroup {
        WorkerGroup(workers.into_iter().collect())
    }
}

impl WorkerGroup {
    /// A handle that stops all workers from outside.
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle::new(self.0.iter().map(|worker| worker.0.handle.clone()))
    }

    /// Runs all until they are stopped by the handle. Once one of them has ended, by an error or by a handle of its own,
    /// the others are stopped gracefully.
    ///
    /// Errors: the first one that a worker has ended with, as [`Worker::run`]; those after it are logged. `is_config` if
    /// there is no worker.
    pub async fn run(self) -> Result<()> {
        if self.0.is_empty() {
            return Err(Error::config("the group has no worker: give at least one"));
        }
        let handle = self.handle();
        let (at_work, mut workers) = (watch::Sender::new(0), self.0);
        for worker in &mut workers {
            worker.0.together = Together::join(&at_work);
        }
        let mut running: FuturesUnordered<_> = workers.into_iter().map(Worker::run).collect();
        let mut first = Ok(());
        while let Some(ended) = running.next().await {
            handle.stop();
            match (ended, &first) {
                (Err(error), Err(_)) => {
                    tracing::error!(%error, "another worker of the group has failed as well")
                }
                (Err(error), Ok(())) => first = Err(error),
                (Ok(()), _) => {}
            }
        }
        first
    }

    /// Runs all until this future is ready, then stops them gracefully.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let handle = self.handle();
        let mut run = std::pin::pin!(self.run());
        tokio::select! {
            ended = &mut run => return ended,
            () = shutdown => handle.stop(),
        }
        run.await
    }

    /// Runs all until the process gets a signal, as [`Worker::run_with_signals`]. What ignores the stop is handed back when all
    /// workers have ended but for such runs: as the process ends, so that nothing runs twice at once.
    pub async fn run_with_signals(mut self) -> Result<()> {
        for worker in &mut self.0 {
            worker.0.settings.ends_process = true;
        }
        let handle = self.handle();
        let listener = AbortOnDrop(signals::listen(handle.clone())?);
        let ended = self.run().await;
        if ended.is_ok() && handle.left() > 0 {
            tracing::warn!("handlers go on although they were told to stop: the process ends with them");
            std::process::exit(0);
        }
        drop(listener);
        ended
    }
}
