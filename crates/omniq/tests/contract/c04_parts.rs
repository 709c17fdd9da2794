//! C4, C6: tasks, results and events are each kept where the settings place them, and a part that is not used has no table.

use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::{EventFilter, ResultStatus};
use omniq_testkit::TestDb;

use crate::witness::{PATIENCE, exists, number};

/// The places of a part: the word or URL of the setting, and in which of the two databases the part then has its table.
fn places(other: &str) -> [(&str, Option<usize>); 4] {
    [("postgres", Some(0)), ("memory", None), ("off", None), (other, Some(1))]
}

/// Each part in the main database, another one, memory or off, so that each place of a part meets each place of each other part: a task's
/// whole life works, with a result and events if they are on, and each database has the tables of its parts, and no others.
#[tokio::test]
async fn c04_each_part_is_kept_where_the_settings_say() {
    let dbs = [TestDb::new().await, TestDb::new().await];
    let witnesses = [dbs[0].client().await, dbs[1].client().await];
    let other = dbs[1].url();
    let places = places(&other);
    for mix in 0..16 {
        let (nth_tasks, nth_results) = (mix / 4, mix % 4);
        let (tasks, tasks_db) = places[nth_tasks];
        let (results, results_db) = places[nth_results];
        // So each place of the events meets each place of the tasks and of the results.
        let (events, events_db) = places[(nth_tasks + nth_results) % 4];
        let schema = format!("mix{mix}");
        let settings = Settings::builder().url(dbs[0].url()).schema(&schema);
        let settings = settings.tasks(tasks).results(results).events(events).build();
        if tasks == "off" {
            assert!(settings.unwrap_err().to_string().contains("tasks"));
            continue;
        }
        let mix = format!("tasks {tasks_db:?} {tasks}, results {results}, events {events}");
        let backend = AsyncPostgresBackend::with_settings(&settings.unwrap()).await.unwrap();
        assert_a_task_lives(&backend, results != "off", events != "off", &mix).await;
        for (place, witness) in witnesses.iter().enumerate() {
            for (table, used) in [("tasks", tasks_db), ("results", results_db), ("events", events_db)] {
                let there = exists(witness, &format!("{schema}.{table}")).await;
                assert_eq!(there, used == Some(place), "{mix}: {table} in database {place}");
            }
        }
        let kept = async |table: &str, place: Option<usize>| match place {
            Some(place) => number(&witnesses[place], &format!("select count(*) from {schema}.{table}")).await,
            None => -1,
        };
        assert!([-1, 0].contains(&kept("tasks", tasks_db).await), "{mix}");
        assert!([-1, 2].contains(&kept("results", results_db).await), "{mix}");
        assert!([-1, 6].contains(&kept("events", events_db).await), "{mix}");
        backend.close().await.unwrap();
    }
}

/// One task succeeds, one fails.
async fn assert_a_task_lives(backend: &AsyncPostgresBackend, results: bool, events: bool, mix: &str) {
    let good = backend.enqueue(NewTask::new("double", &21).unwrap()).await.unwrap();
    let bad = backend.enqueue(NewTask::new("double", &"text").unwrap()).await.unwrap();
    let worker = Worker::builder(backend)
        .register("double", |number: i64, _: Context| async move { Ok::<_, Failure>(2 * number) })
        .build()
        .unwrap();
    worker.run_until_idle().await.unwrap_or_else(|error| panic!("{mix}: {error:?}"));
    if results {
        let value = backend.wait(good, PATIENCE).await.unwrap().value.unwrap();
        assert_eq!(value.decode::<i64>().unwrap(), 42, "{mix}");
        assert_eq!(backend.wait(bad, PATIENCE).await.unwrap().status, ResultStatus::Failed, "{mix}");
    } else {
        assert!(backend.result(good).await.unwrap_err().is_config(), "{mix}");
    }
    if events {
        for (id, last) in [(good, "completed"), (bad, "failed")] {
            let filter = EventFilter { task_id: Some(id), ..EventFilter::default() };
            let kinds = backend.events().unwrap().query(&filter).await.unwrap();
            let kinds: Vec<_> = kinds.iter().map(|event| event.kind.name()).collect();
            assert_eq!(kinds, ["enqueued", "started", last], "{mix}");
        }
    } else {
        assert!(backend.events().is_none(), "{mix}");
    }
    // A dead letter is kept with the tasks. It is deleted once it was checked.
    let dead = backend.queue().get(bad).await.unwrap().unwrap();
    assert_eq!(dead.error.unwrap().kind, "bad_arguments", "{mix}");
    backend.queue().delete(bad).await.unwrap();
}

/// With everything in memory no database is needed at all.
#[tokio::test]
async fn c04_all_in_memory_needs_no_database() {
    let settings = Settings::builder().tasks("memory").results("memory").events("memory").build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    assert_a_task_lives(&backend, true, true, "all in memory").await;
    backend.close().await.unwrap();
}

/// The settings of a queue also hold for a queue in memory.
#[tokio::test]
async fn c04_a_queue_in_memory_follows_the_settings() {
    let settings = Settings::builder().tasks("memory").results("memory").max_payload(10).keep_completed(true);
    let settings = settings.lease(Duration::from_secs(77)).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let queue = backend.queue();
    assert_eq!(queue.self_lease().span(), Duration::from_secs(77));
    let error = queue.enqueue(NewTask::new("f", "more than ten").unwrap()).await.unwrap_err();
    assert!(error.is_invalid(), "{error:?}");
    let id = queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let task = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    queue.complete(&task).await.unwrap();
    assert_eq!(queue.get(id).await.unwrap().unwrap().state, omniq::TaskState::Completed);
    backend.close().await.unwrap();
}

/// C6: a queue alone, without results and events, enqueues, dequeues and settles.
#[tokio::test]
async fn c06_a_queue_works_without_results_and_events() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let id = queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let task = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    assert_eq!(task.id, id);
    queue.complete(&task).await.unwrap();
    let witness = db.client().await;
    assert!(!exists(&witness, "omniq.results").await && !exists(&witness, "omniq.events").await);
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    queue.close().await.unwrap();
}
