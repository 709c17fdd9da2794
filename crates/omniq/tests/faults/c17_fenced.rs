//! C17: a worker that cannot reach the database stops its handlers before other workers can take over their tasks.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::{Proxy, TestDb, eventually, heavy};
use tokio::runtime::Handle;

use crate::effects::{self, Effects, number, number_is};

const LEASE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(10);

/// The network between one worker and the server stalls, without a connection breaking. Its handlers write signs of life by another way:
/// for every task, the last one comes before the first one of another worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c17_a_worker_with_a_stalled_network_stops_its_handlers_before_others_take_over() {
    let _turn = heavy();
    let db = TestDb::new().await;
    effects::create(&db).await;
    let (proxy, through) = Proxy::in_front_of(&db.url()).await;
    let (cut_off, other) = (
        AsyncPostgresBackend::connect(&through).await.unwrap(),
        AsyncPostgresBackend::connect(&db.url()).await.unwrap(),
    );
    let names = ["async", "blocking"];
    let tasks = (0..8).map(|i| NewTask::new(names[i % 2], &()).unwrap()).collect();
    let ids = other.enqueue_many(tasks).await.unwrap();

    let effects = Effects::new(&db.url());
    let (for_async, for_blocking) = (effects.clone(), effects.clone());
    // Both would run without end.
    let worker = Worker::builder(&cut_off)
        .queues(["default", "own"])
        .lease(LEASE)
        .concurrency(8)
        .register("async", move |(): (), context: Context| {
            let effects = for_async.clone();
            async move {
                loop {
                    effects.write(&context, "alive").await?;
                    tokio::time::sleep(STEP).await;
                }
                #[allow(unreachable_code)]
                Ok::<_, Failure>(0)
            }
        })
        .register_blocking("blocking", move |(): (), context: Context| {
            while !context.is_cancelled() {
                Handle::current().block_on(for_blocking.write(&context, "alive"))?;
                std::thread::sleep(STEP);
            }
            Ok::<_, Failure>(0)
        })
        .register("own", |(): (), _: Context| async { Ok::<_, Failure>("on its feet again") })
        .build()
        .unwrap();
    let (stop_cut_off, cut_off_runs) = (worker.handle(), tokio::spawn(worker.run()));
    let witness = db.client().await;
    let running = "select count(distinct task) from effects";
    eventually("all run", PATIENCE, async || number_is(&witness, running, 8).await).await;

    let (first, second) = (effects.clone(), effects.clone());
    let worker = Worker::builder(&other)
        .concurrency(8)
        // Looks for lost workers as often as possible.
        .maintenance_interval(STEP)
        .register("async", move |(): (), context: Context| {
            let effects = first.clone();
            async move { effects.write(&context, "taken over").await.map(|()| 1) }
        })
        .register("blocking", move |(): (), context: Context| {
            let effects = second.clone();
            async move { effects.write(&context, "taken over").await.map(|()| 1) }
        })
        .build()
        .unwrap();
    let (stop_other, other_runs) = (worker.handle(), tokio::spawn(worker.run()));
    proxy.stall(true);
    for id in ids {
        let result = other.wait(id, PATIENCE).await.unwrap();
        assert_eq!((result.attempt, result.value.unwrap().decode::<i32>().unwrap()), (2, 1));
    }
    let overlaps = "select count(*) from (
        select task from effects group by task
        having max(at) filter (where attempt = 1) >= min(at) filter (where attempt = 2)) o";
    assert_eq!(number(&witness, overlaps).await, 0, "no task ran twice at once");
    let gap = "select (extract(epoch from min(gap)) * 1000)::bigint from (
        select min(at) filter (where attempt = 2) - max(at) filter (where attempt = 1) as gap
        from effects group by task) g";
    println!(
        "from the last sign of the old run to the first of the new one: {} ms",
        number(&witness, gap).await
    );

    proxy.stall(false);
    let own = other.enqueue(NewTask::new("own", &()).unwrap().queue("own")).await.unwrap();
    other.wait(own, PATIENCE).await.unwrap();
    assert_eq!(number(&witness, "select count(*) from effects where attempt > 2").await, 0);
    stop_cut_off.stop();
    stop_other.stop();
    cut_off_runs.await.unwrap().unwrap();
    other_runs.await.unwrap().unwrap();
    cut_off.close().await.unwrap();
    other.close().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.workers").await, 0);
}
