//! The cost of the worker itself: empty tasks on the in-memory storage, drained by one worker.
//!
//! `cargo bench -p omniq-core --bench worker -- [TASKS]`

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::*;

fn main() -> Result<()> {
    let tasks = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(200_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal(error.to_string()))?;
    println!("{:<28} {:>12} {:>14}", "parts", "concurrency", "tasks a second");
    for concurrency in [8, 100, 1000] {
        for (name, results, events) in
            [("queue", false, false), ("queue, results", true, false), ("queue, results, events", true, true)]
        {
            let rate = runtime.block_on(drain(tasks, concurrency, results, events))?;
            println!("{name:<28} {concurrency:>12} {rate:>14.0}");
        }
    }
    Ok(())
}

async fn drain(tasks: u32, concurrency: usize, results: bool, events: bool) -> Result<f64> {
    let mut backend = Backend::new(Arc::new(MemoryQueue::new()));
    if results {
        backend = backend.with_results(Arc::new(MemoryResultStorage::new()));
    }
    if events {
        backend = backend.with_events(Arc::new(MemoryEventStorage::new()));
    }
    let all: Result<Vec<_>> = (0..tasks).map(|n| NewTask::new("nothing", &n)).collect();
    backend.enqueue_many(all?).await?;
    let worker = Worker::builder(backend)
        .concurrency(concurrency)
        .grace(Duration::from_secs(1))
        .register("nothing", |n: u32, _: Context| async move { Ok::<_, Failure>(n) })
        .build()?;
    let begin = Instant::now();
    worker.run_until_idle().await?;
    Ok(f64::from(tasks) / begin.elapsed().as_secs_f64())
}
