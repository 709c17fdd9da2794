//! C29: sessions are terminated repeatedly; connections are replaced, and notifications arrive again afterwards.

use std::time::{Duration, Instant};

use omniq::prelude::*;
use omniq_testkit::{TestDb, eventually, heavy};

use crate::effects::{self, Effects, number, number_is};
use crate::load;

const TASKS: i64 = 4_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// So rare that polling cannot explain a wake-up.
const POLL: Duration = Duration::from_secs(3600);

/// All sessions of the enqueuer and the worker are terminated repeatedly during load: nothing is lost. Then an idle
/// worker wakes at once as before, by the notification alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_terminated_sessions_are_replaced_and_notifications_come_back() {
    let _turn = heavy();
    let db = TestDb::new().await;
    effects::create(&db).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let effects = Effects::new(&db.url());
    let worker = Worker::builder(&backend)
        .poll(POLL)
        .register("effect", move |_: i64, context: Context| {
            let effects = effects.clone();
            async move { effects.write(&context, "ran").await }
        })
        .build()
        .unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let witness = db.client().await;
    let terminate = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq'";
    let enqueuer = tokio::spawn(load::enqueue(backend.clone(), TASKS, Duration::from_millis(50)));
    let mut terminated = 0;
    while !enqueuer.is_finished() {
        terminated += number(&witness, terminate).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    println!("{terminated} sessions terminated; {} enqueues failed by it", enqueuer.await.unwrap());
    assert!(terminated > 20);
    eventually("all is done", PATIENCE, async || {
        number_is(&witness, "select count(*) from omniq.tasks", 0).await
    })
    .await;
    assert_eq!(number(&witness, "select count(distinct task) from effects").await, TASKS);
    let completed = "select count(*) from omniq.results where status = 'completed'";
    assert_eq!(number(&witness, completed).await, TASKS);

    let asleep = "select count(*) from (select distinct pid from omniq.listeners) s";
    let sleeps = async || {
        eventually("the worker sleeps", PATIENCE, async || number_is(&witness, asleep, 1).await).await;
    };
    let mut longest = Duration::ZERO;
    for i in 0..4 {
        sleeps().await;
        let began = Instant::now();
        let id = backend.enqueue(NewTask::new("effect", &i).unwrap()).await.unwrap();
        backend.wait(id, PATIENCE).await.unwrap();
        longest = longest.max(began.elapsed());
        // The last round follows the loss of the listening session, which no statement's error shows.
        if i == 2 {
            sleeps().await;
            let terminate = asleep.replace("count(*)", "count(pg_terminate_backend(pid, 5000))");
            assert_eq!(number(&witness, &terminate).await, 1);
        }
    }
    println!("from enqueue to result: at most {longest:?}");
    assert!(longest < Duration::from_secs(10), "{longest:?}: woken by no bell");
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
    eventually("no session is left", PATIENCE, async || {
        let ours = "select count(*) from pg_stat_activity
            where datname = current_database() and application_name = 'omniq'";
        number_is(&witness, ours, 0).await
    })
    .await;
}
