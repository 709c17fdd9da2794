//! Verbs at the same time on rows of several tasks.

mod guards;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use omniq_core::conformance::queue::concurrent::{LANES, Stage, User, histories};
use omniq_core::*;
use omniq_postgres::settings::Settings;
use omniq_postgres::{AsyncPostgresQueue, UserConnection};
use omniq_testkit::TestDb;
use tokio::sync::Mutex;
use tokio_postgres::Client;

/// The number of histories that are executed side by side: most of their time is pauses.
const STAGES: u32 = 8;

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Connections of the user, in which tasks are settled.
#[derive(Debug)]
struct Users {
    db: Arc<TestDb>,
    idle: Mutex<Vec<Client>>,
}

#[async_trait]
impl User for Users {
    async fn execute(&self, statement: &TransactionStatement, commit: bool) -> Result<Vec<bool>> {
        let idle = self.idle.lock().await.pop();
        let mut client = match idle {
            Some(client) => client,
            None => self.db.client().await,
        };
        let mut transaction = client.transaction().await.unwrap();
        let answer = transaction.execute_statement(statement).await;
        if commit && answer.is_ok() { transaction.commit().await } else { transaction.rollback().await }
            .unwrap();
        self.idle.lock().await.push(client);
        answer.map(|(_, held)| {
            TransactionStatement::held(&held.expect("the connection leads to the queue's database"))
        })
    }
}

async fn stage(db: &Arc<TestDb>, no: u32) -> Stage {
    let keeps = no % 2 == 1;
    let settings = Settings::builder().url(db.url()).pool_min(0).pool_max(2).keep_completed(keeps);
    let settings = settings.build().unwrap();
    let mut objects: Vec<Arc<dyn TaskQueue>> = Vec::with_capacity(LANES);
    for _ in 0..LANES {
        objects.push(Arc::new(AsyncPostgresQueue::with_settings(&settings).await.unwrap()));
    }
    let user = Users { db: db.clone(), idle: Mutex::default() };
    Stage { objects, keeps, user: Some(Arc::new(user)), name: format!("stage-{no}") }
}

/// Issue 12, A. `OMNIQ_TEST_HISTORIES` sets the number of histories (default 2,500), `OMNIQ_TEST_SEED` their seed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_verbs_at_the_same_time_are_linearizable() {
    let (count, seed) = (number("OMNIQ_TEST_HISTORIES", 2_500), number("OMNIQ_TEST_SEED", 1));
    let db = Arc::new(TestDb::new().await);
    // No crash is tested here.
    let quick = format!("alter database {} set synchronous_commit = off", db.name());
    db.client().await.batch_execute(&quick).await.unwrap();
    let mut plays = tokio::task::JoinSet::new();
    let mut stages = Vec::new();
    for no in 0..STAGES {
        stages.push(stage(&db, no).await);
    }
    guards::install(&db.client().await).await;
    for (no, stage) in (0_u64..).zip(stages) {
        let seed = u64::from(seed) << 8 | no;
        plays.spawn_blocking(move || histories(&stage, count / STAGES, seed));
    }
    while let Some(play) = plays.join_next().await {
        if let Err(message) = play.expect("the thread of the histories ends") {
            panic!("{message}");
        }
    }
    assert_counted(&db).await;
    guards::every_writing_statement_was_played(&db.client().await).await;
}

/// The counts of queues are those of the tasks.
async fn assert_counted(db: &TestDb) {
    let differ =
        "select count(*) from (select * from omniq.queue_counts except select * from omniq.scanned_counts) a";
    assert_eq!(db.client().await.query_one(differ, &[]).await.unwrap().get::<_, i64>(0), 0);
}

async fn bulk(db: &TestDb) -> (AsyncPostgresQueue, Vec<TaskId>) {
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let tasks = (0..1_000).map(|number| NewTask::new("f", &number).unwrap()).collect();
    let ids = queue.enqueue_many(tasks).await.unwrap();
    (queue, ids)
}

/// All tasks but these are left, each with its own argument.
async fn assert_left(db: &TestDb, queue: &AsyncPostgresQueue, ids: &[TaskId], gone: &[TaskId]) {
    let all = TaskFilter { limit: Some(2_000), ..TaskFilter::default() };
    let listed = queue.list(&all).await.unwrap();
    let gone: HashSet<_> = gone.iter().collect();
    let left: Vec<_> = ids.iter().copied().zip(0_usize..).filter(|(id, _)| !gone.contains(id)).collect();
    let seen: Vec<_> = listed.iter().map(|task| (task.id, task.payload.decode().unwrap())).collect();
    assert_eq!(seen, left);
    assert_eq!(queue.count(&all).await.unwrap(), left.len() as u64);
    assert_counted(db).await;
}

/// Issue 12, A: twenty at once removed 893 of 1,000 tasks.
#[tokio::test]
async fn deletes_at_the_same_time_remove_what_they_name_and_nothing_else() {
    let db = TestDb::new().await;
    let (queue, ids) = bulk(&db).await;
    let named: Vec<TaskId> = ids.iter().copied().step_by(50).collect();
    for answer in join_all(named.iter().map(|id| queue.delete(*id))).await {
        answer.unwrap();
    }
    assert_left(&db, &queue, &ids, &named).await;
    queue.close().await.unwrap();
}

/// Issue 12, A: withdrew all later tasks, and answered "not found" for tasks that were waiting.
#[tokio::test]
async fn cancels_at_the_same_time_withdraw_what_they_name_and_nothing_else() {
    let db = TestDb::new().await;
    let (queue, ids) = bulk(&db).await;
    let others = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let named: Vec<TaskId> = ids.iter().copied().step_by(25).collect();
    let cancels = named
        .iter()
        .enumerate()
        .map(|(no, id)| if no % 2 == 0 { queue.cancel(*id) } else { others.cancel(*id) });
    for answer in join_all(cancels).await {
        assert_eq!(answer.unwrap(), Cancelled::Done);
    }
    assert_left(&db, &queue, &ids, &named).await;
    others.close().await.unwrap();
    queue.close().await.unwrap();
}

/// Issue 12, A: left a row with one argument for 895 tasks, or gave back another task.
#[tokio::test]
async fn updates_and_retries_at_the_same_time_change_what_they_name_and_nothing_else() {
    let db = TestDb::new().await;
    let (queue, ids) = bulk(&db).await;
    let named: Vec<TaskId> = ids.iter().copied().step_by(100).collect();
    let args = Some(Payload::json(&-1).unwrap());
    let update = |id: TaskId| queue.update(id, TaskUpdate { payload: args.clone(), ..TaskUpdate::default() });
    let updates = join_all(named.iter().map(|id| update(*id)));
    let retries = join_all(ids.iter().skip(1).step_by(100).map(|id| queue.retry(*id)));
    let (updated, retried) = tokio::join!(updates, retries);
    for (id, task) in named.iter().zip(updated) {
        assert_eq!(task.unwrap().id, *id);
    }
    retried.into_iter().for_each(Result::unwrap);
    let back = |id: &TaskId| ids.iter().position(|other| other == id).unwrap();
    for id in &named {
        assert_eq!(queue.get(*id).await.unwrap().unwrap().payload, args.clone().unwrap());
        let own = Some(Payload::json(&back(id)).unwrap());
        queue.update(*id, TaskUpdate { payload: own, ..TaskUpdate::default() }).await.unwrap();
    }
    assert_left(&db, &queue, &ids, &[]).await;
    queue.close().await.unwrap();
}

/// Issue 12, A: answered 0 and left 999.
#[tokio::test]
async fn a_purge_beside_verbs_leaves_nothing() {
    let db = TestDb::new().await;
    for _ in 0..5 {
        let (queue, ids) = bulk(&db).await;
        let verbs = join_all(ids.iter().step_by(100).map(|id| queue.retry(*id)));
        let filter = TaskFilter::default();
        let (_, purged) = tokio::join!(verbs, queue.purge(&filter));
        assert_eq!(purged.unwrap(), 1_000);
        assert_eq!(queue.count(&filter).await.unwrap(), 0);
        queue.close().await.unwrap();
    }
    assert_counted(&db).await;
}

/// Issue 12, A: `delete_many` beside `cancel_many` ended in a deadlock. Each names its tasks in an order of its own.
#[tokio::test]
async fn bulk_verbs_at_the_same_time_all_succeed() {
    let db = TestDb::new().await;
    let (queue, ids) = bulk(&db).await;
    let other = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let chosen = |offset: usize| -> Vec<TaskId> { ids.iter().copied().skip(offset).step_by(10).collect() };
    let (deleted, mut cancelled, retried) = (chosen(0), chosen(1), chosen(2));
    cancelled.reverse();
    let (a, b, c) =
        tokio::join!(queue.delete_many(&deleted), other.cancel_many(&cancelled), queue.retry_many(&retried));
    a.unwrap();
    c.unwrap();
    assert_eq!(b.unwrap(), vec![Cancelled::Done; 100]);
    assert_left(&db, &queue, &ids, &[deleted, cancelled].concat()).await;
    other.close().await.unwrap();
    queue.close().await.unwrap();
}
