//! C21: enqueue inside the user's own transaction, with every supported driver.

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq_testkit::{TestDb, eventually};
use sqlx::Connection;
use tokio_postgres::NoTls;

use crate::witness::{PATIENCE, echo_worker, number};

const ORDERS: &str = "create table orders (id int primary key)";

/// A database with a table of the user, a backend, and an idle worker.
struct Shop {
    db: TestDb,
    backend: AsyncPostgresBackend,
    witness: tokio_postgres::Client,
    worker: omniq::WorkerHandle,
    running: tokio::task::JoinHandle<omniq::Result<()>>,
}

impl Shop {
    async fn open() -> Self {
        let db = TestDb::new().await;
        let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
        let witness = db.client().await;
        witness.batch_execute(ORDERS).await.unwrap();
        let worker = echo_worker(&backend);
        let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
        Self { db, backend, witness, worker: handle, running }
    }

    async fn worker_sleeps(&self) {
        let listeners = "select count(*) from omniq.listeners";
        eventually("the worker sleeps", PATIENCE, async || {
            (number(&self.witness, listeners).await == 1).then_some(())
        })
        .await;
    }

    async fn counts(&self) -> (i64, i64, i64) {
        let one = async |table: &str| number(&self.witness, &format!("select count(*) from {table}")).await;
        (one("orders").await, one("omniq.tasks").await, one("omniq.results").await)
    }

    /// Enqueues in an open transaction: one task, three more, and tasks that are refused before they are sent.
    async fn enqueue_four(&self, target: &mut dyn UserConnection) -> Vec<TaskId> {
        self.worker_sleeps().await;
        let task = |i: i32| NewTask::new("echo", &i).unwrap();
        let mut ids = vec![self.backend.enqueue_in(target, task(1)).await.unwrap()];
        for bad in [task(0).queue(""), task(0).queue("a\0b")] {
            assert!(self.backend.enqueue_in(target, bad).await.unwrap_err().is_invalid());
        }
        let mixed = vec![task(0), task(0).ttl(std::time::Duration::ZERO)];
        assert!(self.backend.enqueue_many_in(target, mixed).await.unwrap_err().is_invalid());
        ids.extend(self.backend.enqueue_many_in(target, vec![task(2), task(3), task(4)]).await.unwrap());
        assert!(self.backend.enqueue_many_in(target, Vec::new()).await.unwrap().is_empty());
        assert_eq!(
            number(&self.witness, "select count(*) from omniq.tasks").await,
            0,
            "nothing is visible yet"
        );
        ids
    }

    /// After the commit they run, in order, woken by the notification: the worker never polls.
    async fn assert_run(&self, ids: Vec<TaskId>) {
        for (i, id) in (1..).zip(ids) {
            let result = self.backend.wait(id, PATIENCE).await.unwrap();
            assert_eq!(result.value.unwrap().decode::<i32>().unwrap(), i);
        }
        assert_eq!(self.counts().await, (1, 0, 4));
    }

    async fn assert_untouched(&self) {
        assert_eq!(self.counts().await, (0, 0, 0), "a rollback leaves nothing");
    }

    async fn close(self) {
        self.worker.stop();
        self.running.await.unwrap().unwrap();
        self.backend.close().await.unwrap();
    }
}

const ORDER: &str = "insert into orders values (1)";

#[tokio::test]
async fn c21_in_a_transaction_of_tokio_postgres() {
    let shop = Shop::open().await;
    let mut client = shop.db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    transaction.batch_execute(ORDER).await.unwrap();
    shop.enqueue_four(&mut transaction).await;
    transaction.rollback().await.unwrap();
    shop.assert_untouched().await;

    let mut transaction = client.transaction().await.unwrap();
    transaction.batch_execute(ORDER).await.unwrap();
    let ids = shop.enqueue_four(&mut transaction).await;
    transaction.commit().await.unwrap();
    shop.assert_run(ids).await;

    // A plain client, too: each call then commits by itself, unless the user has begun a transaction by SQL.
    client.batch_execute("begin").await.unwrap();
    shop.backend.enqueue_in(&mut client, NewTask::new("echo", &9).unwrap()).await.unwrap();
    client.batch_execute("rollback").await.unwrap();
    let id = shop.backend.enqueue_in(&mut client, NewTask::new("echo", &9).unwrap()).await.unwrap();
    shop.backend.wait(id, PATIENCE).await.unwrap();
    assert_eq!(shop.counts().await, (1, 0, 5));
    shop.close().await;
}

#[tokio::test]
async fn c21_in_a_transaction_of_deadpool() {
    let shop = Shop::open().await;
    let manager = deadpool_postgres::Manager::new(shop.db.url().parse().unwrap(), NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(2).build().unwrap();
    let mut client = pool.get().await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    transaction.batch_execute(ORDER).await.unwrap();
    shop.enqueue_four(&mut transaction).await;
    drop(transaction);
    shop.assert_untouched().await;

    let mut transaction = client.transaction().await.unwrap();
    transaction.batch_execute(ORDER).await.unwrap();
    let ids = shop.enqueue_four(&mut transaction).await;
    transaction.commit().await.unwrap();
    shop.assert_run(ids).await;
    let id = shop.backend.enqueue_in(&mut client, NewTask::new("echo", &9).unwrap()).await.unwrap();
    shop.backend.wait(id, PATIENCE).await.unwrap();
    shop.close().await;
}

#[tokio::test]
async fn c21_in_a_transaction_of_diesel_async() {
    let shop = Shop::open().await;
    let mut connection = AsyncPgConnection::establish(&shop.db.url()).await.unwrap();
    connection.batch_execute(&format!("begin; {ORDER}")).await.unwrap();
    shop.enqueue_four(&mut connection).await;
    connection.batch_execute("rollback").await.unwrap();
    shop.assert_untouched().await;

    let backend = &shop.backend;
    shop.worker_sleeps().await;
    let added = async |connection: &mut AsyncPgConnection| {
        connection.batch_execute(ORDER).await?;
        let task = |i: i32| NewTask::new("echo", &i).unwrap();
        let mut ids = vec![backend.enqueue_in(connection, task(1)).await.unwrap()];
        ids.extend(backend.enqueue_many_in(connection, vec![task(2), task(3), task(4)]).await.unwrap());
        Ok::<_, diesel::result::Error>(ids)
    };
    let ids = connection.transaction(async |connection| added(connection).await).await.unwrap();
    shop.assert_run(ids).await;

    let taken = TaskId::new();
    let task = || NewTask::new("echo", &1).unwrap().id(taken).queue("elsewhere");
    backend.enqueue(task()).await.unwrap();
    let refused = backend.enqueue_in(&mut connection, task()).await.unwrap_err();
    assert!(refused.is_duplicate() && refused.to_string().contains(&taken.to_string()), "{refused:?}");
    shop.close().await;
}

#[tokio::test]
async fn c21_in_a_transaction_of_sqlx() {
    let shop = Shop::open().await;
    let mut connection = sqlx::PgConnection::connect(&shop.db.url()).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
    shop.enqueue_four(&mut transaction).await;
    transaction.rollback().await.unwrap();
    shop.assert_untouched().await;

    let mut transaction = connection.begin().await.unwrap();
    sqlx::query(ORDER).execute(&mut *transaction).await.unwrap();
    let ids = shop.enqueue_four(&mut *transaction).await;
    transaction.commit().await.unwrap();
    shop.assert_run(ids).await;

    // A refusal by the server looks the same through every driver.
    let taken = TaskId::new();
    let task = || NewTask::new("echo", &1).unwrap().id(taken).queue("elsewhere");
    shop.backend.enqueue(task()).await.unwrap();
    let by_pool = shop.backend.enqueue(task()).await.unwrap_err();
    let by_sqlx = shop.backend.enqueue_in(&mut connection, task()).await.unwrap_err();
    let mut client = shop.db.client().await;
    let by_driver = shop.backend.enqueue_in(&mut client, task()).await.unwrap_err();
    for error in [&by_pool, &by_sqlx, &by_driver] {
        assert!(error.is_duplicate(), "{error:?}");
        assert_eq!((error.sqlstate(), error.message()), (Some("23505"), by_pool.message()));
        assert!(std::error::Error::source(error).is_some());
    }
    shop.close().await;
}

/// A layer around enqueues sees those in a transaction as well: it changes them, and its refusal writes nothing.
#[tokio::test]
async fn c21_layers_are_around_enqueues_in_a_transaction() {
    use omniq::{Enqueue, EnqueueService};
    use std::task::{Context, Poll};
    use tower_service::Service;

    #[derive(Clone)]
    struct Guard(EnqueueService);

    impl Service<Enqueue> for Guard {
        type Response = Vec<omniq::Enqueued>;
        type Error = Error;
        type Future = <EnqueueService as Service<Enqueue>>::Future;

        fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
            self.0.poll_ready(context)
        }

        fn call(&mut self, mut enqueue: Enqueue) -> Self::Future {
            for task in &mut enqueue.tasks {
                if task.func == "bad" {
                    return Box::pin(async { Err(Error::invalid("bad is refused")) });
                }
                task.metadata.insert("by".into(), "guard".into());
            }
            self.0.call(enqueue)
        }
    }

    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let backend = backend.map_backend(|backend| backend.with_enqueue_layer(&tower_layer::layer_fn(Guard)));
    let mut client = db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    let task = |func| NewTask::new(func, &()).unwrap();
    let refused =
        backend.enqueue_many_in(&mut transaction, vec![task("good"), task("bad")]).await.unwrap_err();
    assert!(refused.is_invalid() && refused.to_string() == "bad is refused", "{refused:?}");
    let id = backend.enqueue_in(&mut transaction, task("good")).await.unwrap();
    assert!(backend.queue().get(id).await.unwrap().is_none());
    transaction.commit().await.unwrap();
    assert_eq!(backend.queue().get(id).await.unwrap().unwrap().metadata["by"], "guard");
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 1);
    backend.close().await.unwrap();
}

/// Issue 12, E7: a connection to another database was accepted, and the task was lost there, or ran there.
#[tokio::test]
async fn c21_a_connection_to_another_database_is_refused() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let task = || NewTask::new("echo", &1).unwrap();
    let (without, with) = (TestDb::new().await, TestDb::new().await);
    AsyncPostgresBackend::connect(&with.url()).await.unwrap().close().await.unwrap();
    for (other, words) in [(&without, "without OmniQ's schema \"omniq\""), (&with, "leads to database")] {
        let mut client = other.client().await;
        let mut transaction = client.transaction().await.unwrap();
        let by_driver = backend.enqueue_in(&mut transaction, task()).await.unwrap_err();
        transaction.commit().await.unwrap();
        let mut connection = sqlx::PgConnection::connect(&other.url()).await.unwrap();
        let by_sqlx = backend.enqueue_many_in(&mut connection, vec![task(), task()]).await.unwrap_err();
        for error in [by_driver, by_sqlx] {
            assert!(error.is_invalid() && error.to_string().contains(words), "{error}");
            assert!(error.to_string().contains("nothing was written"), "{error}");
        }
    }
    // Nothing has failed on a connection to a database with tables: its transaction can go on.
    let mut client = with.client().await;
    let mut transaction = client.transaction().await.unwrap();
    assert!(backend.enqueue_in(&mut transaction, task()).await.unwrap_err().is_invalid());
    transaction.batch_execute("create table orders (id int)").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(number(&client, "select count(*) from omniq.tasks").await, 0);
    backend.close().await.unwrap();
}

/// Found by a newcomer: after such a refusal, which has written nothing, the result of the run was discarded.
#[tokio::test]
async fn c21_a_run_goes_on_after_a_completion_that_was_refused() {
    let (db, other) = (TestDb::new().await, TestDb::new().await);
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    AsyncPostgresBackend::connect(&other.url()).await.unwrap().close().await.unwrap();
    let client = std::sync::Arc::new(tokio::sync::Mutex::new(other.client().await));
    let worker = Worker::builder(&backend)
        .register("order", move |(): (), context: Context| {
            let client = std::sync::Arc::clone(&client);
            async move {
                let refused = context.complete_in(&mut *client.lock().await, &1).await.unwrap_err();
                assert!(refused.is_invalid(), "{refused}");
                Ok::<_, Failure>(3)
            }
        })
        .build()
        .unwrap();
    let id = backend.enqueue(NewTask::new("order", &()).unwrap().max_retries(0)).await.unwrap();
    worker.run_until_idle().await.unwrap();
    let result = backend.result(id).await.unwrap().unwrap();
    assert_eq!(result.value.unwrap().decode::<i32>().unwrap(), 3);
    backend.close().await.unwrap();
}

/// The remembered identity of the database is from before the restart; the connection leads to the right database all the same.
#[tokio::test]
async fn c21_a_connection_made_after_a_restart_is_taken() {
    let mut server = omniq_testkit::fault_server("place");
    let db = TestDb::on(&server.url()).await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let task = || NewTask::new("echo", &1).unwrap();
    backend.enqueue_in(&mut db.client().await, task()).await.unwrap();
    server.restart(omniq_embedded::StopMode::Fast).unwrap();
    let mut client = db.client().await;
    backend.enqueue_in(&mut client, task()).await.unwrap();
    assert_eq!(number(&client, "select count(*) from omniq.tasks").await, 2);
    backend.close().await.unwrap();
}
