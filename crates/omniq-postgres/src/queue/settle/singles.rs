//! Test: settlements of tasks in rows of their own go by the shorter statement, and those it does not find by the general one.

use std::time::Duration;

use omniq_core::*;
use omniq_testkit::TestDb;
use tokio_postgres::Client;

use crate::AsyncPostgresBackend;
use crate::settings::{Placement, Settings};

/// Notes the name of each statement that removes or changes tasks.
const NOTE: &str = "
    create table omniq.sent (no serial, name text);
    create function omniq.note() returns trigger language plpgsql as $$
    begin
        insert into omniq.sent (name) values (substring(current_query() from '^-- omniq: (\\w+)'));
        return null;
    end $$;
    create trigger note before delete on omniq.tasks for each statement execute function omniq.note()";

async fn sent(client: &Client) -> Vec<String> {
    let sql =
        "with s as (delete from omniq.sent returning *) select name from s group by name order by min(no)";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A backend with results and events, a client that sees what is sent, and a worker.
async fn opened(db: &TestDb) -> (AsyncPostgresBackend, Client, WorkerId) {
    let settings = Settings::builder().url(db.url()).events(Placement::Postgres).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let client = db.client().await;
    client.batch_execute(NOTE).await.unwrap();
    let info = WorkerInfo { lease: Duration::from_secs(60), ..WorkerInfo::new(["default"]) };
    let worker = backend.queue().register_worker(&info).await.unwrap();
    (backend, client, worker)
}

async fn claimed(backend: &AsyncPostgresBackend, worker: WorkerId, limit: u32) -> Vec<Task> {
    let request = Dequeue::from(["default"]).limit(limit);
    let tasks = backend.queue().claim(worker, &request).await.unwrap();
    assert_eq!(tasks.len(), limit as usize);
    tasks
}

/// A settlement with a result and two events.
fn settlement(task: &Task, outcome: Outcome) -> Settlement {
    let status = if outcome == Outcome::Complete { ResultStatus::Completed } else { ResultStatus::Cancelled };
    let mut result = TaskResult::of(task, status);
    result.value = (status == ResultStatus::Completed).then(|| Payload::json(&task.attempt).unwrap());
    let events = [EventKind::Started, EventKind::Completed].map(|kind| TaskEvent::of(task, kind));
    Settlement {
        result: Some(result),
        events: events.into(),
        ..Settlement::new(task.id, task.claim, outcome)
    }
}

fn settlements(tasks: &[Task]) -> Vec<Settlement> {
    tasks.iter().map(|task| settlement(task, Outcome::Complete)).collect()
}

fn new() -> NewTask {
    NewTask::new("f", &()).unwrap()
}

/// Makes the rows of these tasks hold others, which were removed.
async fn grow(client: &Client, tasks: &[Task]) {
    let ids: Vec<uuid::Uuid> = tasks.iter().map(|task| task.id.as_uuid()).collect();
    let grown = "update omniq.tasks set count = 2, removed = B'01', payloads = payloads || 'gone'::bytea, seq = seq + 1
                 where id = any ($1)";
    assert_eq!(client.execute(grown, &[&ids]).await.unwrap(), ids.len() as u64);
}

#[tokio::test]
async fn tasks_in_rows_of_their_own_are_settled_by_the_shorter_statement() {
    let db = TestDb::new().await;
    let (backend, client, worker) = opened(&db).await;
    let queue = backend.queue();
    for _ in 0..4 {
        queue.enqueue(new()).await.unwrap();
    }
    let tasks = claimed(&backend, worker, 4).await;
    // Of the last one the claim is an old one.
    let mut batch = settlements(&tasks);
    batch[1] = settlement(&tasks[1], Outcome::Cancel);
    batch[3].claim = Some(Claim { worker, number: 7 });
    assert_eq!(queue.settle(&batch[..3], SettleMode::Each).await.unwrap(), [Settled::Done; 3]);
    assert_eq!(sent(&client).await, ["settle_singles"]);
    assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Lost; 4]);
    assert_eq!(sent(&client).await, ["settle"]);

    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    let results = backend.require_results().unwrap().get_many(&ids).await.unwrap();
    let statuses: Vec<_> = results.iter().map(|one| Some(one.as_ref()?.status)).collect();
    let (completed, cancelled) = (Some(ResultStatus::Completed), Some(ResultStatus::Cancelled));
    assert_eq!(statuses, [completed, cancelled, completed, None]);
    for (id, count) in ids.iter().zip([2, 2, 2, 0]) {
        let filter = EventFilter { task_id: Some(*id), ..EventFilter::default() };
        let events = backend.require_events().unwrap().query(&filter).await.unwrap();
        let kinds = events.into_iter().map(|event| event.kind);
        let runs: Vec<_> = kinds.filter(|kind| *kind != EventKind::Enqueued).collect();
        assert_eq!(runs, [EventKind::Started, EventKind::Completed][..count], "of the run of {id}");
    }
    let stats = queue.queues().await.unwrap();
    assert_eq!((stats[0].ready, stats[0].running), (0, 1));

    // All or nothing: the second one is settled already.
    let both = [settlement(&tasks[3], Outcome::Complete), settlement(&tasks[0], Outcome::Complete)];
    let error = queue.settle(&both, SettleMode::All).await.unwrap_err();
    assert!(error.is_claim_lost() && error.to_string().contains(&tasks[0].id.to_string()), "{error}");
    assert_eq!(queue.settle(&both[..1], SettleMode::All).await.unwrap(), [Settled::Done]);
    assert_eq!(sent(&client).await, ["settle_singles"]);
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 0);
    backend.close().await.unwrap();
}

/// The result of the last run replaces that of an earlier one: of a dead letter that was retried.
#[tokio::test]
async fn a_result_of_an_earlier_life_is_replaced() {
    let db = TestDb::new().await;
    let (backend, client, worker) = opened(&db).await;
    let queue = backend.queue();
    let ids = [queue.enqueue(new().id(TaskId::new())).await.unwrap(), queue.enqueue(new()).await.unwrap()];
    let failed: Vec<_> = claimed(&backend, worker, 2)
        .await
        .iter()
        .map(|task| Settlement {
            result: Some(TaskResult::of(task, ResultStatus::Failed)),
            ..settlement(task, Outcome::Fail { error: TaskError::new("E", "e") })
        })
        .collect();
    assert_eq!(queue.settle(&failed, SettleMode::Each).await.unwrap(), [Settled::Done; 2]);
    assert_eq!(sent(&client).await, ["settle"], "they stay");
    queue.retry_many(&ids).await.unwrap();
    let tasks = claimed(&backend, worker, 2).await;
    sent(&client).await;
    // Of the second one the result is not kept this time.
    let mut batch = settlements(&tasks);
    batch.iter_mut().filter(|one| one.task_id == ids[1]).for_each(|one| one.result = None);
    assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Done; 2]);
    assert_eq!(sent(&client).await, ["settle_singles"]);
    let rows = client.query("select task_id, status from omniq.results order by status", &[]).await.unwrap();
    let found: Vec<(uuid::Uuid, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected = [(ids[0], "completed"), (ids[1], "failed")];
    assert_eq!(found, expected.map(|(id, status)| (id.as_uuid(), status.to_owned())));
    backend.close().await.unwrap();
}

/// No verb makes a row hold more tasks than at the claim: an update by hand stands for what is not known here.
#[tokio::test]
async fn what_the_shorter_statement_does_not_find_is_settled_in_the_same_call() {
    let db = TestDb::new().await;
    let (backend, client, worker) = opened(&db).await;
    let queue = backend.queue();
    for mode in [SettleMode::Each, SettleMode::All] {
        for _ in 0..3 {
            queue.enqueue(new()).await.unwrap();
        }
        let tasks = claimed(&backend, worker, 3).await;
        grow(&client, &tasks[1..2]).await;
        assert_eq!(queue.settle(&settlements(&tasks), mode).await.unwrap(), [Settled::Done; 3]);
        // What a statement that was refused has noted is rolled back with it.
        let expected: &[&str] =
            if mode == SettleMode::All { &["settle"] } else { &["settle_singles", "settle"] };
        assert_eq!(sent(&client).await, expected);
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        let results = backend.require_results().unwrap().get_many(&ids).await.unwrap();
        assert_eq!(results.iter().flatten().count(), 3);
    }
    let events = "select count(*) from omniq.events where kind <> 'enqueued'";
    assert_eq!(client.query_one(events, &[]).await.unwrap().get::<_, i64>(0), 12, "two of each run, once");
    assert_eq!(queue.queues().await.unwrap(), [], "no counts are left");

    // Tasks of a segment are known to be in one, and those of another object are not known at all: one statement each.
    queue.enqueue_many(vec![new(); 3]).await.unwrap();
    let tasks = claimed(&backend, worker, 3).await;
    for task in &tasks[..2] {
        queue.settle(&settlements(std::slice::from_ref(task)), SettleMode::Each).await.unwrap();
        assert_eq!(sent(&client).await, ["settle"]);
    }
    backend.close().await.unwrap();
}

/// A row that another session holds delays the others by a moment alone.
#[tokio::test]
async fn a_row_that_is_held_is_passed_over() {
    let db = TestDb::new().await;
    let (backend, client, worker) = opened(&db).await;
    let queue = backend.queue();
    for _ in 0..2 {
        queue.enqueue(new()).await.unwrap();
    }
    let tasks = claimed(&backend, worker, 2).await;
    let mut holder = db.client().await;
    let holding = holder.transaction().await.unwrap();
    let hold = "select from omniq.tasks where id = $1 for update";
    holding.query(hold, &[&tasks[0].id.as_uuid()]).await.unwrap();
    let batch = settlements(&tasks);
    assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Busy, Settled::Done]);
    assert_eq!(sent(&client).await, ["settle"], "the shorter one was rolled back");
    holding.rollback().await.unwrap();
    assert_eq!(queue.settle(&batch[..1], SettleMode::Each).await.unwrap(), [Settled::Done]);
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 0);
    backend.close().await.unwrap();
}
