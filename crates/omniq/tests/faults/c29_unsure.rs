//! C29: an enqueue that may or may not have been carried out (issue 12, C10).

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::{Proxy, TestDb, eventually};

use crate::effects::{number, number_is};
use crate::held_rows::PATIENCE;

const COUNT: &str = "select count(*) from omniq.task_list";

fn task() -> NewTask {
    NewTask::new("f", &1).unwrap()
}

/// Carried out, and the answer lost: the task is added once, and an id that the user chose is no duplicate, whether the task waits or has
/// ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_an_enqueue_whose_answer_was_lost_is_in_once() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let backend = AsyncPostgresBackend::connect(&format!("{url}?pool_max=1")).await.unwrap();
    let direct = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let witness = db.client().await;
    for ends in [false, true] {
        for chosen in [[false, false], [true, false], [true, true]] {
            let tasks = || chosen.iter().map(|own| if *own { task().id(TaskId::new()) } else { task() });
            // After this, the statements are prepared.
            backend.enqueue_many(tasks().collect()).await.unwrap();
            assert_eq!(backend.queue().purge(&omniq::TaskFilter::default()).await.unwrap(), 2);
            backend.enqueue_many(tasks().collect()).await.unwrap();

            proxy.lose_answers(true);
            let call = {
                let (backend, tasks) = (backend.clone(), tasks().collect());
                tokio::spawn(async move { backend.enqueue_many(tasks).await })
            };
            eventually("it is carried out", PATIENCE, async || number_is(&witness, COUNT, 4).await).await;
            if ends {
                let worker = Worker::builder(&direct);
                let worker =
                    worker.register("f", |value: i32, _: Context| async move { Ok::<_, Failure>(value) });
                worker.build().unwrap().run_until_idle().await.unwrap();
            }
            proxy.lose_answers(false);
            proxy.cut();
            let ids = call.await.unwrap().unwrap();
            let left = if ends { 0 } else { 4 };
            assert_eq!(number(&witness, COUNT).await, left, "{chosen:?}");
            for id in ids {
                assert_eq!(direct.result(id).await.unwrap().is_some(), ends);
            }
            direct.queue().purge(&omniq::TaskFilter::default()).await.unwrap();
        }
    }
    backend.close().await.unwrap();
    direct.close().await.unwrap();
}

/// Not carried out, and the id belongs to another task: a duplicate.
#[tokio::test]
async fn c29_an_id_of_an_older_task_is_a_duplicate_after_an_outage_too() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let backend = AsyncPostgresBackend::connect(&url).await.unwrap();
    let id = backend.enqueue(task()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.stall(true);
    let call = {
        let backend = backend.clone();
        tokio::spawn(async move { backend.enqueue(task().id(id)).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.cut();
    proxy.stall(false);
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is_duplicate(), "{error:?}");
    assert_eq!(number(&db.client().await, "select count(*) from omniq.tasks").await, 1);
    backend.close().await.unwrap();
}
