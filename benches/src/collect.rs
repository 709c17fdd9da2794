//! `collect COUNT`: how long the results of many tasks take to collect by `wait_many`, after the work and beside it.

use std::time::{Duration, Instant};

use bench_protocol::{database_url, say};
use futures_util::TryStreamExt;
use omniq::prelude::*;

use crate::Failed;

const LONG: Duration = Duration::from_secs(600);
const ROUNDS: usize = 3;

/// Prints figures in seconds, each the best of three: `work` alone, `after` for the collection after it, and `seconds`, how much longer both at
/// once take than the work. The database that the environment names should be empty.
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

    let [mut work, mut after, mut both] = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        let ids = enqueue().await?;
        let begun = Instant::now();
        worker()?.run_until_idle().await?;
        work = work.min(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        assert_eq!(collect(&ids).await?, ids.len());
        after = after.min(begun.elapsed().as_secs_f64());

        let ids = enqueue().await?;
        let begun = Instant::now();
        let worker = worker()?;
        let (seen, ended) = tokio::join!(collect(&ids), worker.run_until_idle());
        both = both.min(begun.elapsed().as_secs_f64());
        ended?;
        assert_eq!(seen?, ids.len());
    }
    let seconds = both - work;
    say(&format!("{{\"jobs\": {count}, \"seconds\": {seconds}, \"work\": {work}, \"after\": {after}}}"));
    backend.close().await?;
    Ok(())
}
