//! `awa`, on its queue storage: bulk by COPY, jobs without a deadline, which it settles in batches.

use std::sync::Arc;
use std::time::Duration;

use awa::{
    Client, InsertOpts, InsertParams, JobArgs, JobResult, QueueConfig, QueueStorage, QueueStorageConfig, UniqueOpts,
    insert_with, migrations,
};
use bench_protocol::{Mode, Noop, bulk, database_url, handle, produce, queues, serve, setting};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;

#[derive(Serialize, Deserialize, JobArgs)]
#[awa(kind = "noop")]
struct Args {
    #[serde(flatten)]
    job: Noop,
}

/// `UNIQUE=1`: unique by its arguments.
fn to(queue: &str) -> InsertOpts {
    let unique = (setting("UNIQUE", 0) == 1).then(UniqueOpts::default);
    InsertOpts { queue: queue.into(), unique, ..InsertOpts::default() }
}

#[tokio::main]
async fn main() {
    let mode = Mode::from_args().expect("a mode");
    let url = database_url();
    let connections = mode.connections(10) as u32;
    let pool = PgPoolOptions::new().max_connections(connections).min_connections(connections).connect(&url);
    let pool = pool.await.expect("a pool");
    let insert = {
        let pool = pool.clone();
        move |job| {
            let pool = pool.clone();
            async move {
                insert_with(&pool, &Args { job }, to("bench0")).await.expect("inserted");
            }
        }
    };
    let storage = QueueStorage::new(QueueStorageConfig::default()).expect("a storage");
    match mode {
        Mode::Setup => {
            migrations::run(&pool).await.expect("migrated");
            storage.install(&pool).await.expect("installed");
        }
        Mode::Bulk(count) => {
            let storage = Arc::new(storage);
            let names = queues();
            bulk(count, 5_000, |jobs| {
                let (storage, pool) = (storage.clone(), pool.clone());
                let jobs: Vec<_> = jobs.into_iter().map(|job| params(job, &names)).collect();
                async move {
                    storage.enqueue_params_copy(&pool, &jobs).await.expect("enqueued");
                }
            })
            .await;
        }
        Mode::Work(wanted) => {
            let mut builder = Client::builder(pool).register::<Args, _, _>(|args, _| async move {
                handle(args.job.t).await;
                Ok(JobResult::Completed)
            });
            for name in queues() {
                let config = QueueConfig {
                    max_workers: setting("SLOTS", 1_000),
                    claimers: setting("CLAIMERS", 1),
                    claim_batch_size: setting("BATCH", 1_000),
                    poll_interval: Duration::from_millis(setting("POLL_MS", 50)),
                    deadline_duration: Duration::ZERO,
                    ..QueueConfig::default()
                };
                builder = builder.queue(name, config);
            }
            let client = builder.build().expect("a client");
            serve(wanted);
            client.start().await.expect("starts");
            std::future::pending::<()>().await;
        }
        Mode::Load(_) | Mode::Single(..) | Mode::Paced(..) | Mode::RoundTrip(..) => produce(mode, insert).await,
    }
}

fn params(job: Noop, names: &[String]) -> InsertParams {
    InsertParams {
        opts: to(&names[job.i as usize % names.len()]),
        kind: Args::kind().into(),
        args: serde_json::to_value(Args { job }).expect("JSON"),
    }
}
