//! The roles of child processes: workers of several kinds.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::argument;

use crate::effects::Effects;

/// Runs a role to its end.
pub fn run(role: &str) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(
        async {
            match role {
                "worker" => worker().await,
                "bare" => bare().await,
                other => panic!("no such role: {other}"),
            }
        },
    );
}

fn given(name: &str) -> String {
    argument(name).unwrap_or_else(|| panic!("the role needs the argument {name}"))
}

/// A worker whose handlers write effects. Arguments: url, effects (a URL), concurrency; lease and queue, if not the default; `ticks`, the
/// interval of three schedules, if there are to be any; `hangs`, `waits_for` and `stops` for tests that need them.
async fn worker() {
    let backend = AsyncPostgresBackend::connect(&given("url")).await.unwrap();
    let effects = Effects::new(&given("effects"));
    let mut builder = Worker::builder(&backend).concurrency(given("concurrency").parse().unwrap());
    if let Some(lease) = argument("lease") {
        builder = builder.lease(Duration::from_secs_f64(lease.parse().unwrap()));
    }
    if let Some(queue) = argument("queues") {
        builder = builder.queues(queue.split(','));
    }
    if let Some(interval) = argument("ticks") {
        let interval = Duration::from_secs_f64(interval.parse().unwrap());
        for name in ["first", "second", "third"] {
            let task = NewTask::new("effect", &1).unwrap();
            let schedule = Schedule::new(name, Timing::every(interval).unwrap(), task).unwrap();
            builder = builder.app("faults").schedule(schedule.missed(Missed::All(10_000)));
        }
    }
    let hangs = argument("hangs").is_some();
    let (quick, slow, payments) = (effects.clone(), effects.clone(), effects);
    let worker = builder
        .register("effect", move |_: i64, context: Context| {
            let effects = quick.clone();
            async move {
                effects.write(&context, "ran").await?;
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Failure>(std::process::id())
            }
        })
        .register("slow", move |millis: u64, context: Context| {
            let effects = slow.clone();
            async move {
                effects.write(&context, "begun").await?;
                match argument("waits_for") {
                    // A short task ends at once, a long one when the test signals it.
                    Some(table) if millis > 60_000 => effects.wait_for_table(&table).await?,
                    Some(_) => {}
                    None => tokio::time::sleep(Duration::from_millis(millis)).await,
                }
                Ok::<_, Failure>(std::process::id())
            }
        })
        .register("pay", move |(): (), context: Context| {
            let effects = payments.clone();
            async move { pay(&context, &effects).await }
        })
        .build()
        .unwrap();
    worker.run_with_signals().await.unwrap();
    backend.close().await.unwrap();
}

/// Pays and completes in one transaction. With the argument `stops` it records that it has reached that point, and stops there.
async fn pay(context: &Context, effects: &Effects) -> Result<(), Failure> {
    let come_to = async |point: &str| {
        if argument("stops").as_deref() == Some(point) {
            effects.write(context, point).await?;
            std::future::pending::<()>().await;
        }
        Ok::<_, Failure>(())
    };
    let (mut client, connection) = tokio_postgres::connect(&given("effects"), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let mut transaction = client.transaction().await?;
    let paid = "insert into effects (task, attempt, pid, kind) values ($1, $2, 0, 'paid')";
    let task = context.task();
    transaction.execute(paid, &[&task.id.as_uuid(), &task.attempt.cast_signed()]).await?;
    context.complete_in(&mut transaction, &()).await?;
    come_to("completed").await?;
    transaction.commit().await?;
    come_to("committed").await
}

/// Without a worker: dequeues all tasks, waits for the table `finish`, completes each task by its claim, and records what the
/// queue answered. Then continues with the tasks that there are. Arguments: url (with the lease), effects (a URL).
async fn bare() {
    let queue = AsyncPostgresQueue::connect(&given("url")).await.unwrap();
    let effects = Effects::new(&given("effects"));
    let tasks = queue.dequeue_many(Dequeue::from(["default"]).limit(10)).await.unwrap();
    for task in &tasks {
        effects.write_for(task, "begun").await.unwrap();
    }
    effects.wait_for_table("finish").await.unwrap();
    for task in &tasks {
        let kind = match queue.complete(task).await {
            Ok(()) => "done",
            Err(error) if error.is_claim_lost() => "refused",
            Err(error) => panic!("{error:?}"),
        };
        effects.write_for(task, kind).await.unwrap();
    }
    let request = Dequeue::from(["own"]).timeout(Duration::from_secs(60));
    let task = queue.dequeue(request).await.unwrap().expect("there is one");
    queue.complete(&task).await.unwrap();
    effects.write_for(&task, "done").await.unwrap();
    queue.close().await.unwrap();
}
