//! OmniQ as a measured queue, by the crate's public calls alone.

use std::sync::Arc;
use std::time::Duration;

use bench_protocol::{Mode, Noop, bulk, database_url, handle, produce, queues, round_trips, serve, setting};
use omniq::backend::postgres::Placement;
use omniq::prelude::*;

use crate::Failed;

const LONG: Duration = Duration::from_secs(60);

/// Runs the mode of the command line on the database that the environment names. `RESULTS=1` stores results, `EVENTS=1` events, `UNIQUE=1`
/// gives each task a key.
pub(crate) async fn run(mode: Mode) -> Result<(), Failed> {
    let part = |key: &str| if setting(key, 0) == 1 { Placement::Postgres } else { Placement::Off };
    let settings = Settings::builder()
        .url(database_url())
        .pool_max(mode.connections(8))
        .results(part("RESULTS"))
        .events(part("EVENTS"))
        .build()?;
    let backend = AsyncPostgresBackend::with_settings(&settings).await?;
    let queue = Arc::clone(backend.queue());
    let names: Arc<[String]> = queues().into();
    let unique = setting("UNIQUE", 0) == 1;
    let task = move |job: Noop| {
        let name = &names[job.i as usize % names.len()];
        let task = NewTask::new("noop", &job).expect("the job is JSON").queue(name.as_str());
        if unique { task.unique(Unique::key(format!("job {}", job.i))) } else { task }
    };
    let enqueue = {
        let (queue, task) = (queue.clone(), task.clone());
        move |job| {
            let (queue, task) = (queue.clone(), task(job));
            async move {
                queue.enqueue(task).await.expect("enqueued");
            }
        }
    };
    match mode {
        Mode::Setup => {}
        Mode::Bulk(count) => {
            bulk(count, 5_000, |jobs| {
                let tasks = jobs.into_iter().map(&task).collect();
                async { drop(queue.enqueue_many(tasks).await.expect("enqueued")) }
            })
            .await;
        }
        Mode::Load(_) => {
            // Tasks with chosen ids are stored one to a row, even if many of them are sent together.
            produce(mode, move |job| {
                let (queue, task) = (queue.clone(), task(job).id(TaskId::new()));
                async move {
                    queue.enqueue(task).await.expect("enqueued");
                }
            })
            .await;
        }
        Mode::Single(..) | Mode::Paced(..) => produce(mode, enqueue).await,
        Mode::RoundTrip(count, ms) => {
            round_trips(count, ms, |job| {
                let (backend, task, i) = (&backend, task(job.clone()), job.i);
                async move {
                    let id = backend.enqueue(task).await.expect("enqueued");
                    let value: u64 = backend.wait_for(id, LONG).await.expect("it has a result");
                    assert_eq!(value, i);
                }
            })
            .await;
        }
        Mode::Work(wanted) => {
            let mut worker = Worker::builder(&backend)
                .queues(queues())
                .concurrency(setting("SLOTS", 64))
                .register("noop", |job: Noop, _: Context| async move {
                    handle(job.t).await;
                    Ok::<_, Failure>(job.i)
                });
            if let Ok(tasks) = std::env::var("PREFETCH") {
                worker = worker.prefetch(tasks.parse()?);
            }
            let worker = worker.build()?;
            serve(wanted);
            worker.run().await?;
        }
    }
    backend.close().await?;
    Ok(())
}
