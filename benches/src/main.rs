//! How many tasks a second OmniQ enqueues, claims and works off, on a private server with full durability.
//!
//! `cargo run --release -p omniq-bench -- --tasks 20000`; see `benches/README.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::try_join_all;
use omniq::backend::postgres::Part;
use omniq::prelude::*;
use omniq_embedded::{Lifetime, Options, Server};

/// Measures OmniQ on a private PostgreSQL server (synchronous_commit and fsync on).
#[derive(Parser)]
struct Arguments {
    /// Tasks per workload; single calls take a tenth.
    #[arg(long, default_value_t = 20_000)]
    tasks: usize,
    /// Slots of the worker that drains.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments = Arguments::parse();
    let folder = std::env::temp_dir().join(format!("omniq-bench-{}", std::process::id()));
    let server =
        Server::start(Options::new(&folder).lifetime(Lifetime::Owned).setting("shared_buffers", "512MB"))?;
    println!("PostgreSQL {}, {} tasks per workload, payload 100 bytes", server.version(), arguments.tasks);
    let outcome = measure(&server.url(), &arguments).await;
    drop(server);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

async fn measure(url: &str, arguments: &Arguments) -> Result<(), Failed> {
    let settings = Settings::builder().url(url).pool_max(40).results(Part::Postgres).build()?;
    let backend = AsyncPostgresBackend::with_settings(&settings).await?;
    let queue = backend.queue();
    let single = arguments.tasks / 10;

    let began = Instant::now();
    for _ in 0..single {
        queue.enqueue(task()).await?;
    }
    report("enqueue, single, 1 caller", single, began);

    let began = Instant::now();
    try_join_all((0..32).map(|_| {
        let queue = Arc::clone(queue);
        async move {
            for _ in 0..single / 4 {
                queue.enqueue(task()).await?;
            }
            Ok::<_, omniq::Error>(())
        }
    }))
    .await?;
    report("enqueue, single, 32 callers", single / 4 * 32, began);

    let began = Instant::now();
    for _ in 0..single {
        let task = queue.dequeue(Dequeue::from(["default"])).await?.ok_or("a task is due")?;
        queue.complete(&task).await?;
    }
    report("dequeue and complete, single", single, began);

    queue.purge(&omniq::TaskFilter::default()).await?;
    let began = Instant::now();
    for _ in 0..arguments.tasks / 5_000 {
        queue.enqueue_many((0..5_000).map(|_| task()).collect()).await?;
    }
    report("enqueue, bulk of 5,000", arguments.tasks / 5_000 * 5_000, began);

    let began = Instant::now();
    let mut claimed = 0;
    loop {
        let tasks = queue.dequeue_many(Dequeue::from(["default"]).limit(500)).await?;
        if tasks.is_empty() {
            break;
        }
        claimed += tasks.len();
        queue.complete_many(&tasks).await?;
    }
    report("dequeue and complete, bulk of 500", claimed, began);

    for results in [false, true] {
        let parts = omniq::Backend::new(Arc::clone(queue));
        let parts = match backend.results() {
            Some(storage) if results => parts.with_results(Arc::clone(storage)),
            _ => parts,
        };
        for _ in 0..arguments.tasks / 5_000 {
            queue.enqueue_many((0..5_000).map(|_| task()).collect()).await?;
        }
        let runs = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&runs);
        let worker = Worker::builder(parts)
            .concurrency(arguments.concurrency)
            .register("noop", move |_: String, _: Context| {
                counter.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, Failure>(1) }
            })
            .build()?;
        let began = Instant::now();
        worker.run_until_idle().await?;
        let what = if results { "worker drains, results stored" } else { "worker drains, no results" };
        report(what, usize::try_from(runs.load(Ordering::Relaxed))?, began);
    }
    backend.close().await?;
    Ok(())
}

fn task() -> NewTask {
    NewTask::new("noop", &"x".repeat(98)).expect("a string is JSON")
}

fn report(what: &str, count: usize, began: Instant) {
    let took = began.elapsed();
    let rate = count as f64 / took.max(Duration::from_micros(1)).as_secs_f64();
    println!("{what:<36}{count:>9} tasks {:>8.2} s {rate:>10.0} /s", took.as_secs_f64());
}
