//! C27: roles without CREATE, with exactly the privileges that `docs/roles.md` lists.

use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::{EventFilter, ResultFilter, TaskFilter, TaskUpdate};
use omniq_testkit::{TestDb, eventually};
use tokio_postgres::Client;

use crate::witness::{NEVER, PATIENCE, full, number};

/// The test uses the documentation itself.
const DOC: &str = include_str!("../../../../docs/roles.md");

/// A role that can log in, without any privilege. Roles belong to the server, so its name includes the database's.
pub struct Role<'a> {
    db: &'a TestDb,
    pub admin: Client,
    pub name: String,
}

impl<'a> Role<'a> {
    pub async fn new(db: &'a TestDb, kind: &str) -> Self {
        let (admin, name) = (db.client().await, format!("{kind}_{}", db.name()));
        admin.batch_execute(&format!("create role {name} login password 'secret'")).await.unwrap();
        Self { db, admin, name }
    }

    /// Grants what the documentation lists for this kind of role.
    pub async fn grant(&self, kind: &str) {
        let begin = format!("```sql\n-- {kind}\n");
        let from = DOC.find(&begin).unwrap_or_else(|| panic!("docs/roles.md has a block for {kind}"));
        let block = &DOC[from + begin.len()..];
        let sql = block[..block.find("```").unwrap()].replace("app_role", &self.name);
        self.admin.batch_execute(&sql).await.unwrap();
    }

    fn settings(&self) -> Settings {
        let url = self.db.url();
        let (_, address) = url.rsplit_once('@').unwrap();
        let url = format!("postgresql://{}:secret@{address}", self.name);
        Settings::builder().url(url).events("postgres").build().unwrap()
    }

    async fn backend(&self) -> AsyncPostgresBackend {
        AsyncPostgresBackend::with_settings(&self.settings()).await.unwrap()
    }

    pub async fn drop(self) {
        let sql = format!("drop owned by {0}; drop role {0}", self.name);
        self.admin.batch_execute(&sql).await.unwrap();
    }
}

/// A worker's role: every verb, and every step of a worker, including maintenance.
#[tokio::test]
async fn c27_a_worker_needs_no_more_than_the_grants_listed() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let role = Role::new(&db, "worker").await;
    role.grant("worker").await;
    // A published table needs more rights than one that is not published (issue 12, C3).
    role.admin.batch_execute("create publication everything for all tables").await.unwrap();
    // A partition whose time is over. Made before the worker starts: by hand it locks in another order than the library does.
    let partition = "create table omniq.results_old partition of omniq.result_segments for values from ('2000-01-01') to ('2000-01-02');
        insert into omniq.result_segments (task_id, finished_at, expires_at, status, queue, func)
        values (gen_random_uuid(), now(), '2000-01-01 12:00', 'completed', 'q', 'f')";
    role.admin.batch_execute(partition).await.unwrap();
    let backend = role.backend().await;
    let (queue, results, events) = (backend.queue(), backend.results().unwrap(), backend.events().unwrap());
    let worker = Worker::builder(&backend)
        .poll(NEVER)
        .maintenance_interval(Duration::from_millis(50))
        .register("echo", |value: i64, _: Context| async move { Ok::<_, Failure>(value) })
        .build()
        .unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    let sleeps = async || {
        let listeners = "select count(*) from omniq.listeners";
        eventually("it sleeps", PATIENCE, async || (number(&role.admin, listeners).await == 1).then_some(()))
            .await;
    };
    sleeps().await;
    // A lost worker, an expired task and an expired result, for the maintenance.
    let old = "with old as (insert into omniq.workers (name, queues, lease) values ('old', '{}', '1 s') returning id)
        insert into omniq.heartbeats (worker, ends_at) select id, now() - interval '1 s' from old;
        select omniq.enqueue('echo', '1', 'elsewhere', ttl => '1 microsecond');
        insert into omniq.results_partitions values ('results_old', '2000-01-01', '2000-01-02');";
    role.admin.batch_execute(old).await.unwrap();
    let id = backend.enqueue(NewTask::new("echo", &7).unwrap()).await.unwrap();
    backend.wait(id, PATIENCE).await.unwrap();
    // A new task notifies the workers that are idle when it is added, not one that becomes idle before that is committed.
    sleeps().await;
    let sql: uuid::Uuid =
        direct(&role).await.query_one("select omniq.enqueue('echo', '8')", &[]).await.unwrap().get(0);
    backend.wait(sql.into(), PATIENCE).await.unwrap();
    let left =
        "select (select count(*) from omniq.workers where name = 'old') + (select count(*) from omniq.tasks)
        + (select count(*) from omniq.results where func = 'f')";
    eventually("maintenance is done", PATIENCE, async || {
        (number(&role.admin, left).await == 0).then_some(())
    })
    .await;
    stop.stop();
    running.await.unwrap().unwrap();

    let new = || NewTask::new("f", &1).unwrap().queue("mine");
    let ids = queue.enqueue_many(vec![new(), new(), new(), new(), new()]).await.unwrap();
    queue.update(ids[4], TaskUpdate { priority: Some(1), ..TaskUpdate::default() }).await.unwrap();
    queue.pause("mine").await.unwrap();
    queue.resume("mine").await.unwrap();
    let tasks = queue.dequeue_many(Dequeue::from(["mine"]).limit(3)).await.unwrap();
    queue.fail(&tasks[0], omniq::TaskError::new("E", "e")).await.unwrap();
    queue.snooze(&tasks[1], Duration::from_secs(1)).await.unwrap();
    queue.release(&tasks[2]).await.unwrap();
    queue.retry(tasks[0].id).await.unwrap();
    queue.cancel(tasks[2].id).await.unwrap();
    queue.delete(tasks[1].id).await.unwrap();
    queue.list(&TaskFilter::default()).await.unwrap();
    queue.queues().await.unwrap();
    assert_eq!(queue.purge(&TaskFilter::default()).await.unwrap(), 3);
    results.list(&ResultFilter::default()).await.unwrap();
    assert!(results.delete(id).await.unwrap());
    events.query(&EventFilter::default()).await.unwrap();
    assert!(events.purge(jiff::Timestamp::now(), 1000).await.unwrap() > 0);
    backend.close().await.unwrap();
    role.drop().await;
}

/// The role of a program that only enqueues cannot read, change or take tasks.
#[tokio::test]
async fn c27_an_enqueuer_needs_no_more_than_the_grants_listed() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let role = Role::new(&db, "enqueuer").await;
    role.grant("enqueuer").await;
    let backend = role.backend().await;
    let id = backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    let mut client = direct(&role).await;
    client.query_one("select omniq.enqueue('f', delay => '1 hour')", &[]).await.unwrap();
    backend.enqueue_in(&mut client, NewTask::new("f", &1).unwrap()).await.unwrap();
    assert_eq!(number(&role.admin, "select count(*) from omniq.tasks").await, 3);
    assert_eq!(number(&role.admin, "select count(*) from omniq.events").await, 3);
    assert!(backend.result(id).await.unwrap().is_none());
    for error in [
        backend.queue().get(id).await.unwrap_err(),
        backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap_err(),
        backend.queue().purge(&TaskFilter::default()).await.unwrap_err(),
    ] {
        assert!(error.is_permission_denied() && error.sqlstate() == Some("42501"), "{error:?}");
    }
    backend.close().await.unwrap();
    role.drop().await;
}

/// The role of people and programs that only read.
#[tokio::test]
async fn c27_a_reader_needs_no_more_than_the_grants_listed() {
    let db = TestDb::new().await;
    let made = full(&db).await;
    let id = made.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    made.close().await.unwrap();
    let role = Role::new(&db, "reader").await;
    role.grant("reader").await;
    let backend = role.backend().await;
    assert!(backend.queue().get(id).await.unwrap().is_some());
    assert_eq!(backend.queue().queues().await.unwrap()[0].ready, 1);
    assert!(backend.results().unwrap().list(&ResultFilter::default()).await.unwrap().is_empty());
    assert_eq!(backend.events().unwrap().query(&EventFilter::default()).await.unwrap().len(), 1);
    assert_eq!(direct(&role).await.query("select * from omniq.task_list", &[]).await.unwrap().len(), 1);
    let error = backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap_err();
    assert!(error.is_permission_denied(), "{error:?}");
    backend.close().await.unwrap();
    role.drop().await;
}

/// Without any grant, and without the right to make the schema, the error names what is missing and where to look.
#[tokio::test]
async fn c27_a_role_without_privileges_gets_a_clear_error() {
    let db = TestDb::new().await;
    let role = Role::new(&db, "nobody").await;
    let error = AsyncPostgresBackend::with_settings(&role.settings()).await.unwrap_err();
    assert!(error.is_schema_missing(), "{error:?}");
    for words in ["omniq db migrate", "as the schema's owner", "permission denied"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    full(&db).await.close().await.unwrap();
    let error = AsyncPostgresBackend::with_settings(&role.settings()).await.unwrap_err();
    assert!(error.is_permission_denied(), "{error:?}");
    for words in ["omniq", "grant", "Roles"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    // A wrong password, and a role that does not exist.
    let url = role.settings().url.unwrap().expose();
    for url in [url.replace("secret", "wrong"), url.replace("nobody_", "nowhere_")] {
        let error = AsyncPostgresBackend::connect(&url).await.unwrap_err();
        assert!(error.is_permission_denied(), "{error:?}");
        assert!(!format!("{error:?}").contains("wrong"), "no password in an error");
    }
    role.drop().await;
}

pub async fn direct(role: &Role<'_>) -> Client {
    let url = role.settings().url.unwrap().expose();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
