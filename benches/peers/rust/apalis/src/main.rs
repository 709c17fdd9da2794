//! `apalis-postgres`, with its multi-row insert for bulk and the listener (`with_pubsub`) for latency.

use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::{Config, PgTask, PostgresStorage};
use bench_protocol::{Mode, Noop, bulk, database_url, handle, produce, serve, setting};
use futures::future::LocalBoxFuture;
use sqlx::postgres::PgPoolOptions;

const QUEUE: &str = "bench0";

async fn noop(job: Noop) -> Result<(), BoxDynError> {
    handle(job.t).await;
    Ok(())
}

#[tokio::main]
async fn main() {
    let mode = Mode::from_args().expect("a mode");
    let url = database_url();
    let connections = mode.connections(8) as u32;
    let pool = PgPoolOptions::new().max_connections(connections).min_connections(connections).connect(&url);
    let pool = pool.await.expect("a pool");
    let config = Config::default().queue(QUEUE).batch_size(setting("BATCH", 1_000));
    let storage = || PostgresStorage::<Noop>::new(&pool).with_config(config.clone());
    let push = {
        let storage = storage();
        move |job| {
            let mut storage = storage.clone(); // `push` takes it by `&mut`; a clone shares the pool
            async move { storage.push(job).await.expect("pushed") }
        }
    };
    match mode {
        Mode::Setup => PostgresStorage::setup(&pool).await.expect("set up"),
        Mode::Bulk(count) => {
            bulk(count, 5_000, |jobs| {
                let tasks: Vec<PgTask> = jobs
                    .into_iter()
                    .map(|job| TaskBuilder::new(serde_json::to_vec(&job).expect("JSON")).build())
                    .collect();
                let pool = pool.clone();
                async move {
                    let mut connection = pool.acquire().await.expect("a connection");
                    let pushed = apalis_postgres::queries::push_tasks(&mut *connection, QUEUE, tasks);
                    pushed.await.expect("pushed");
                }
            })
            .await;
        }
        Mode::Work(wanted) => {
            serve(wanted);
            let workers = (0..setting("WORKERS", 1)).map(|number| work(storage(), format!("bench-{number}")));
            futures::future::join_all(workers).await;
        }
        Mode::Load(_) | Mode::Single(..) | Mode::Paced(..) | Mode::RoundTrip(..) => produce(mode, push).await,
    }
}

fn work(storage: PostgresStorage<Noop>, name: String) -> LocalBoxFuture<'static, ()> {
    macro_rules! run {
        ($backend:expr) => {{
            let backend = $backend;
            Box::pin(async move {
                let builder = WorkerBuilder::new(name.as_str()).backend(backend);
                match setting("SLOTS", 0) {
                    0 => builder.parallelize(tokio::spawn).build(noop).run().await.expect("runs"),
                    slots => builder.concurrency(slots).build(noop).run().await.expect("runs"),
                }
            })
        }};
    }
    match setting("POLL_MS", 0) {
        0 => run!(storage.with_pubsub()),
        poll => run!(storage.poll_with_interval(Duration::from_millis(poll))),
    }
}
