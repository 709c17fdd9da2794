//! C6: without result and event storage, enqueue, dequeue and workers work, and the other parts have no tables.

use omniq::backend::postgres::{Placement, Settings};
use omniq::prelude::*;
use omniq_testkit::TestDb;

#[tokio::test]
async fn c06_a_queue_alone_needs_neither_results_nor_events() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).results(Placement::Off).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    assert!(backend.results().is_none() && backend.events().is_none());
    let id = backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    assert_eq!(task.id, id);
    backend.queue().complete(&task).await.unwrap();
    backend.enqueue(NewTask::new("f", &2).unwrap()).await.unwrap();
    let worker = Worker::builder(&backend)
        .register("f", |number: i32, _: Context| async move { Ok::<_, Failure>(number) })
        .build()
        .unwrap();
    worker.run_until_idle().await.unwrap();
    assert!(backend.queue().queues().await.unwrap().is_empty());
    assert!(backend.result(id).await.unwrap_err().is_config());
    let tables =
        "select relname::text from pg_class where relnamespace = 'omniq'::regnamespace and relkind = 'r'
                  order by 1";
    let rows = db.client().await.query(tables, &[]).await.unwrap();
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        tables,
        [
            "advance_lock",
            "count_deltas",
            "count_rollups",
            "count_totals",
            "end_notes",
            "heartbeats",
            "keys",
            "migrations",
            "nodes",
            "paused_queues",
            "predecessors",
            "schedule_declarations",
            "schedule_ticks",
            "schedules",
            "tasks",
            "waits",
            "workers"
        ]
    );
    backend.close().await.unwrap();
}
