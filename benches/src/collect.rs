//! `collect COUNT`: how long the results of many tasks take to collect by `wait_many`, after the work and beside it.

use std::time::{Duration, Instant};

use bench_protocol::database_url;
use futures_util::TryStreamExt;
use omniq::prelude::*;

use crate::Failed;

const LONG: Duration = Duration::from_secs(600);

/// Prints three figures, in seconds. The database that the environment names should be empty.
pub(crate) async fn run(count: i64) -> Result<(), Failed> {
    let backend = AsyncPostgresBackend::connect(&database_url()).await?;
    let worker = || {
        Worker::builder(&backend)
            .concurrency(64)
            .register("noop", |n: i64, _: Context| async move { Ok::<_, Failure>(n) })
            .build()
    };
    let enqueue = async || {
        let mut ids = Vec::new();
        for first in (0..count).step_by(5_000) {
            let tasks = (first..count.min(first + 5_000)).map(|n| NewTask::new("noop", &n));
            ids.extend(backend.enqueue_many(tasks.collect::<Result<_, _>>()?).await?);
        }
        Ok::<_, omniq::Error>(ids)
    };
    let collect = async |ids: &[TaskId]| {
        let results = backend.wait_many(ids, LONG);
        results.try_fold(0, async |seen, _| Ok(seen + 1)).await
    };

    let ids = enqueue().await?;
    let begun = Instant::now();
    worker()?.run_until_idle().await?;
    let work = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(collect(&ids).await?, ids.len());
    let after = begun.elapsed();

    let ids = enqueue().await?;
    let begun = Instant::now();
    let worker = worker()?;
    let (seen, ended) = tokio::join!(collect(&ids), worker.run_until_idle());
    let both = begun.elapsed();
    ended?;
    assert_eq!(seen?, ids.len());

    println!("{count} tasks, the work alone      {:>8.2} s", work.as_secs_f64());
    println!("collected after the work    {:>8.2} s", after.as_secs_f64());
    println!("work and collection at once {:>8.2} s", both.as_secs_f64());
    backend.close().await?;
    Ok(())
}
