//! Tables that are published for logical replication, as for upgrades: PostgreSQL refuses to update and delete rows that it cannot
//! identify (issue 12, C3). The suite of `conformance.rs` and the worker of `c27_roles.rs` use a publication, too.

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::{AsyncPostgresBackend, settings::Settings};
use omniq_testkit::TestDb;
use tokio_postgres::Client;

const HOUR: Duration = Duration::from_secs(3600);

/// Tables of the schema, partitions included, whose rows could not be identified.
const NAMELESS: &str = "
    select c.oid::regclass::text
    from pg_class c
    where c.relnamespace = 'omniq'::regnamespace and c.relkind in ('r', 'p') and c.relreplident <> 'f'
      and not exists (
          select from pg_index i
          where i.indrelid = c.oid and i.indisvalid
            and case c.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident end)
    order by 1";

async fn published(db: &TestDb) -> (AsyncPostgresBackend, Client) {
    let settings = Settings::builder()
        .url(db.url())
        .events("postgres")
        .keep_completed(true)
        .completed_ttl(Duration::from_millis(1))
        .build()
        .unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let client = db.client().await;
    client.batch_execute("create publication everything for all tables").await.unwrap();
    (backend, client)
}

fn result(ttl: Option<Duration>) -> TaskResult {
    result_of(TaskId::new(), ttl)
}

fn result_of(id: TaskId, ttl: Option<Duration>) -> TaskResult {
    let mut result = TaskResult::new(id, ResultStatus::Completed);
    (result.queue, result.func, result.ttl) = ("default".into(), "f".into(), ttl);
    result
}

/// Also tables that are made later.
#[tokio::test]
async fn c28_every_table_can_name_its_rows() {
    let db = TestDb::new().await;
    let (backend, client) = published(&db).await;
    let (results, events) = (backend.results().unwrap(), backend.events().unwrap());
    results.store_many(vec![result(Some(HOUR)), result(Some(200 * HOUR)), result(None)]).await.unwrap();
    results.maintain(Some(24 * HOUR)).await.unwrap();
    events.maintain(None).await.unwrap();
    let rows = client.query(NAMELESS, &[]).await.unwrap();
    let nameless: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(nameless.is_empty(), "{nameless:?}");
    let partitions =
        "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r'";
    let made: i64 = client.query_one(partitions, &[]).await.unwrap().get(0);
    // Two of the requested partitions can be the same one, depending on the time of day.
    assert!(made >= 5, "there are partitions: {made}");
    backend.close().await.unwrap();
}

/// Every update and delete, including the maintenance of each part.
#[tokio::test]
async fn c28_everything_works_where_all_tables_are_published() {
    let db = TestDb::new().await;
    let (backend, client) = published(&db).await;
    let (queue, results, events) = (backend.queue(), backend.results().unwrap(), backend.events().unwrap());
    let new = || NewTask::new("f", &1).unwrap();
    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let ids = queue.enqueue_many((0..20).map(|_| new()).collect()).await.unwrap();
    queue.cancel(ids[3]).await.unwrap();
    queue.delete(ids[4]).await.unwrap();
    queue.update(ids[5], TaskUpdate { priority: Some(9), ..TaskUpdate::default() }).await.unwrap();
    let held = queue.claim(worker, &Dequeue::from(["default"]).limit(12)).await.unwrap();
    let settled = held.iter().map(|task| Settlement {
        result: Some(result_of(task.id, Some(HOUR))),
        events: vec![TaskEvent::new(EventKind::Completed)],
        ..Settlement::new(task.id, task.claim, Outcome::Complete)
    });
    queue.settle(&settled.collect::<Vec<_>>(), SettleMode::All).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(queue.prune(100).await.unwrap() > 0);
    assert_eq!(queue.deregister_worker(worker).await.unwrap(), 0);
    queue.pause("default").await.unwrap();
    queue.resume("default").await.unwrap();
    queue.purge(&TaskFilter::default()).await.unwrap();

    let (over, kept) = (result(Some(HOUR)), result(Some(HOUR)));
    results.store_many(vec![over.clone(), kept.clone(), result(None)]).await.unwrap();
    results.store(kept.clone()).await.unwrap();
    assert!(results.delete(kept.task_id).await.unwrap());
    events.log_many(vec![TaskEvent::new(EventKind::Completed)]).await.unwrap();
    assert!(events.purge(jiff::Timestamp::now(), 100).await.unwrap() > 0);
    client
        .batch_execute(
            "select omniq.roll_up_counts(); select omniq.recount(); truncate omniq.tasks;
             update omniq.results_partitions set ends = now() - interval '1 day';
             update omniq.events_partitions set ends = now() - interval '1 day'",
        )
        .await
        .unwrap();
    for kind in ["results", "events"] {
        let drop = format!("select omniq.drop_{kind}_partition(interval '1 hour')");
        while client.query_one(&drop, &[]).await.unwrap().get(0) {}
        let left = format!("select count(*) from omniq.{kind}_partitions");
        assert_eq!(client.query_one(&left, &[]).await.unwrap().get::<_, i64>(0), 0, "{kind} are dropped");
    }
    // And partitions are made again.
    results.store(result(Some(HOUR))).await.unwrap();
    events.log(TaskEvent::new(EventKind::Completed)).await.unwrap();
    backend.close().await.unwrap();
}
