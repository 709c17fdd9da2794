//! Workers that run until nothing is left, and wait for what is due soon.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::TestDb;
use tokio_postgres::NoTls;

const SOON: Duration = Duration::from_millis(600);

/// With notifications, and on a pool without them.
#[tokio::test]
async fn an_idle_worker_on_postgres_waits_for_what_is_due_soon() {
    let db = TestDb::new().await;
    let manager = deadpool_postgres::Manager::new(db.url().parse().unwrap(), NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    let of_pool = AsyncPostgresBackend::from_pool(&pool).await.unwrap();
    for backend in [AsyncPostgresBackend::connect(&db.url()).await.unwrap(), of_pool] {
        let worker = || {
            let flaky = |_: (), task: Context| async move {
                if task.attempt() == 1 { Err(Failure::retry_in(SOON / 3)) } else { Ok(task.attempt()) }
            };
            Worker::builder(&backend).register("flaky", flaky).build().unwrap()
        };
        let task = |delay| NewTask::new("flaky", &()).unwrap().delay(delay);
        let late = backend.enqueue(task(Duration::from_secs(3600))).await.unwrap();
        let elsewhere = backend.enqueue(task(SOON / 3).queue("elsewhere")).await.unwrap();
        worker().run_until_idle().await.unwrap();
        assert_eq!(backend.queue().get(late).await.unwrap().unwrap().attempt, 0);
        let soon = backend.enqueue(task(SOON / 3)).await.unwrap();
        worker().run_until_idle_within(SOON).await.unwrap();
        let result = backend.result(soon).await.unwrap().expect("its delay and its retry were waited for");
        assert_eq!(result.decode::<u32>().unwrap(), 2);
        for id in [late, elsewhere] {
            backend.cancel(id).await.unwrap();
        }
        backend.close().await.unwrap();
    }
}
