//! The worker: a command that runs until it gets SIGTERM or Ctrl-C. Tasks that wait and tasks that compute have a worker each.

use omniq::prelude::*;
use sqlx::PgPool;

use crate::tasks::{PICTURE, RECEIPT, REPORT, TOTAL, draw, report, send_receipt, sum_up};

pub async fn run(pool: PgPool) -> anyhow::Result<()> {
    let backend = AsyncPostgresBackend::from_pool(&pool).await?;
    let nightly = Timing::cron("0 3 * * *", "Europe/Berlin")?;
    let waiting = Worker::builder(&backend)
        .app("shop")
        .schedule(Schedule::new("report", nightly, REPORT.call(&())?)?.overlap(false))
        .concurrency(100)
        .state(pool)
        .task(RECEIPT, send_receipt)
        .task(REPORT, report)
        .task(TOTAL, sum_up)
        .build()?;
    // A pool for blocking work: one run for each processor, each on a thread of its own. Nothing is claimed ahead, so that
    // tasks go to other machines as long as all threads here are busy.
    let processors = std::thread::available_parallelism()?.get();
    let computing = Worker::builder(&backend)
        .queues(["cpu"])
        .concurrency(processors)
        .prefetch(0)
        .task(PICTURE, draw)
        .build()?;
    tokio::try_join!(waiting.run_with_signals(), computing.run_with_signals())?;
    backend.close().await?;
    Ok(())
}
