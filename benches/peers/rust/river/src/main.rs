//! `riverqueue`, the Rust client of River, with the shortest fetch cooldown that it allows.

use std::time::Duration;

use bench_protocol::{Mode, Noop, bulk, database_url, handle, produce, queues, serve, setting};
use riverqueue::migrate::PostgresMigrator;
use riverqueue::{
    BoxError, Client, InsertOpts, Job, JobArgs, QueueConfig, UniqueOpts, WorkContext, WorkOutcome, Workers,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

#[derive(Clone, Serialize, Deserialize, JobArgs)]
#[river(kind = "noop")]
struct Args {
    t: u64,
    i: u64,
    pad: String,
}

impl From<Noop> for Args {
    fn from(Noop { t, i, pad }: Noop) -> Self {
        Self { t, i, pad }
    }
}

async fn noop(_: WorkContext, job: Job<Args>) -> Result<WorkOutcome, BoxError> {
    handle(job.args.t).await;
    Ok(WorkOutcome::Complete)
}

/// `UNIQUE=1`: unique by its arguments.
fn to(queue: &str) -> InsertOpts {
    let opts = InsertOpts::default().with_queue(queue);
    if setting("UNIQUE", 0) == 1 { opts.with_unique(UniqueOpts::new().with_by_args(true)) } else { opts }
}

#[tokio::main]
async fn main() {
    let mode = Mode::from_args().expect("a mode");
    let url = database_url();
    let connections = mode.connections(10) as u32;
    let pool = PgPoolOptions::new().max_connections(connections).min_connections(connections).connect(&url);
    let pool = pool.await.expect("a pool");
    // A producer's cooldown limits how often it notifies workers.
    let cooldown = Duration::from_millis(setting("COOLDOWN_MS", 1));
    let client = Client::builder(pool.clone()).fetch_cooldown(cooldown).build().expect("a client");
    let insert = {
        let client = client.clone();
        move |job: Noop| {
            let client = client.clone();
            async move {
                client.insert(Args::from(job)).opts(to("bench0")).await.expect("inserted");
            }
        }
    };
    match mode {
        Mode::Setup => {
            PostgresMigrator::new(pool).migrate_up().await.expect("migrated");
        }
        Mode::Bulk(count) => {
            let names = queues();
            bulk(count, 5_000, |jobs| {
                let mut by_queue: Vec<Vec<Args>> = vec![Vec::new(); names.len()];
                for job in jobs {
                    by_queue[job.i as usize % names.len()].push(job.into());
                }
                let (client, names) = (client.clone(), names.clone());
                async move {
                    for (name, jobs) in names.iter().zip(by_queue) {
                        let items = jobs.into_iter().map(|job| (job, to(name)));
                        client.insert_many::<Args, _>(items).await.expect("inserted");
                    }
                }
            })
            .await;
        }
        Mode::Work(wanted) => {
            let mut workers = Workers::new();
            workers.add_fn(noop).expect("a worker");
            let mut builder = Client::builder(pool).workers(workers).fetch_cooldown(cooldown);
            for name in queues() {
                builder = builder.queue(name, QueueConfig::new(setting("SLOTS", 1_000)));
            }
            let client = builder.build().expect("a client");
            serve(wanted);
            let mut run = client.start().expect("starts");
            run.wait().await.expect("runs");
        }
        Mode::Load(_) | Mode::Single(..) | Mode::Paced(..) | Mode::RoundTrip(..) => produce(mode, insert).await,
    }
}
