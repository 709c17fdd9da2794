//! The line of the log that says, each minute, what a worker has done.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::parts::Parts;
use super::tally::Tally;
use crate::Result;
use crate::backend::Backend;

/// How long the count of what waits may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the summary is about.
pub(super) struct Watched {
    name: String,
    queues: Vec<String>,
    backend: Backend,
    tally: Arc<Tally>,
    every: Duration,
}

impl Watched {
    pub(super) fn of(worker: &Parts) -> Self {
        Self {
            name: worker.name().to_owned(),
            queues: worker.settings.info.queues.clone(),
            backend: worker.backend.clone(),
            tally: Arc::clone(&worker.tally),
            every: worker.settings.summary,
        }
    }

    /// How many tasks are ready in the worker's queues. The storage keeps counts of its queues, so this looks at no
    /// task.
    async fn waiting(&self) -> Result<u64> {
        let queues = self.backend.queue().queues().await?;
        Ok(queues.iter().filter(|queue| self.queues.contains(&queue.name)).map(|queue| queue.ready).sum())
    }
}

/// Runs until it is dropped.
pub(super) async fn run(worker: Watched) {
    let every = worker.every;
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = worker.tally.read();
    let mut since = Instant::now();
    loop {
        ticks.tick().await;
        let now = worker.tally.read();
        if tracing::enabled!(tracing::Level::INFO) {
            let (done, failed) = (now.0 - before.0, now.1 - before.1);
            let seconds = since.elapsed().as_secs_f64();
            let rate = format!("{:.1}/s", (done + failed) as f64 / seconds);
            // A count that cannot be had is left out.
            let waiting = timeout(PATIENCE, worker.waiting()).await.ok().and_then(Result::ok);
            let seconds = seconds.round() as u64;
            tracing::info!(worker = worker.name, seconds, done, failed, %rate, waiting, "summary");
        }
        (before, since) = (now, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use omniq_testkit::Log;

    use super::super::Worker;
    use super::*;
    use crate::model::NewTask;
    use crate::port::TaskQueue as _;
    use crate::{Failure, MemoryQueue};

    #[tokio::test]
    async fn a_summary_tells_what_was_done_and_what_waits() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = subscriber.finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let queue = Arc::new(MemoryQueue::new());
        for (func, name) in [("f", "mail"), ("fails", "mail"), ("unknown", "mail"), ("f", "elsewhere")] {
            queue.enqueue(NewTask::new(func, &()).unwrap().queue(name).max_retries(0)).await.unwrap();
        }
        let mut builder = Worker::builder(Backend::new(queue))
            .queues(["mail"])
            .register("f", |(): (), _| async { Ok::<_, Failure>(()) })
            .register("fails", |(): (), _| async { Err::<(), _>(Failure::error("Kind", "why")) });
        builder.settings.summary = Duration::from_millis(100);
        let worker = builder.build().unwrap();
        let told = async {
            while log.text().matches(" summary ").count() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), worker.run_until(told)).await.unwrap().unwrap();
        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" summary ")).collect();
        assert!(lines[0].contains("done=1 failed=1") && lines[0].contains("waiting=1"), "{text}");
        assert!(lines[1].contains("done=0 failed=0 rate=0.0/s"), "{text}");
    }
}
