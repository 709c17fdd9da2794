//! `graphile_worker`, with the local queue and the batched completions that its documentation recommends for throughput.

use std::sync::Arc;
use std::time::Duration;

use bench_protocol::{Mode, Noop, bulk, database_url, handle, produce, serve, setting};
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Job(Noop);

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "noop";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        handle(self.0.t).await;
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() {
    let mode = Mode::from_args().expect("a mode");
    let url = database_url();
    let options = WorkerOptions::default()
        .database_url(&url)
        .max_pg_conn(mode.connections(20) as u32)
        .define_job::<Job>();
    if let Mode::Work(wanted) = mode {
        return work(options, wanted).await;
    }
    let worker = options.init().await.expect("a worker");
    let utils = Arc::new(worker.create_utils());
    let add = {
        let utils = utils.clone();
        move |job| {
            let utils = utils.clone();
            async move {
                utils.add_job(Job(job), JobSpec::default()).await.expect("added");
            }
        }
    };
    match mode {
        Mode::Setup | Mode::Work(_) => {}
        Mode::Bulk(count) => {
            bulk(count, 5_000, |jobs| {
                let jobs: Vec<_> = jobs.into_iter().map(raw).collect();
                let utils = utils.clone();
                async move {
                    utils.add_raw_jobs(&jobs).await.expect("added");
                }
            })
            .await;
        }
        Mode::Load(_) | Mode::Single(..) | Mode::Paced(..) | Mode::RoundTrip(..) => produce(mode, add).await,
    }
}

/// `UNIQUE=1`: with a job key each.
fn raw(job: Noop) -> RawJobSpec {
    let job_key = (setting("UNIQUE", 0) == 1).then(|| format!("job {}", job.i));
    RawJobSpec {
        identifier: Job::IDENTIFIER.into(),
        payload: serde_json::to_value(job).expect("JSON"),
        spec: JobSpec { job_key, ..JobSpec::default() },
    }
}

async fn work(options: WorkerOptions, wanted: u64) {
    let mut options = options
        .concurrency(setting("SLOTS", 50))
        .poll_interval(Duration::from_millis(setting("POLL_MS", 500)));
    let delay: i64 = setting("COMPLETE_MS", 5);
    if delay >= 0 {
        options = options.complete_job_batch_delay(Duration::from_millis(delay.unsigned_abs()));
    }
    let size = setting("LOCAL_QUEUE", 1_000);
    if size > 0 {
        options = options.local_queue(LocalQueueConfig::default().with_size(size));
    }
    let worker = options.init().await.expect("a worker");
    serve(wanted);
    worker.run().await.expect("runs");
}
