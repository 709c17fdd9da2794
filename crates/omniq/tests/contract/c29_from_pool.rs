//! C29: a backend on the database of a pool that the program has.

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use omniq::prelude::*;
use omniq_testkit::TestDb;
use tokio_postgres::NoTls;

use crate::witness::{PATIENCE, echo_worker, number};

fn pool_of(db: &TestDb, connections: usize) -> Pool {
    let manager = Manager::new(db.url().parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(connections).build().unwrap()
}

/// Everything runs over two connections of the program's pool, and leaves nothing in their sessions; a heartbeat holds the
/// lease beside it.
#[tokio::test]
async fn c29_a_pool_of_deadpool_serves_all_calls_and_stays_the_programs() {
    let db = TestDb::new().await;
    let pool = pool_of(&db, 2);
    let settings = Settings::builder().lease(Duration::from_secs(1)).events("postgres").build().unwrap();
    let backend = AsyncPostgresBackend::from_pool_with_settings(&pool, &settings).await.unwrap();
    let worker = Worker::builder(&backend).poll(Duration::from_millis(20)).register(
        "slow",
        |length: u64, _| async move {
            tokio::time::sleep(Duration::from_millis(length)).await;
            Ok(length)
        },
    );
    let worker = worker.build().unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    // The first outlasts the lease.
    let tasks = (0..50).map(|n| NewTask::new("slow", &(if n == 0 { 1_300 } else { n % 3 })).unwrap());
    let ids = backend.enqueue_many(tasks.collect()).await.unwrap();
    let calls = (0..20).map(|n| backend.enqueue(NewTask::new("slow", &(n % 3)).unwrap()));
    let more = futures_util::future::try_join_all(calls).await.unwrap();
    for id in ids.into_iter().chain(more) {
        assert_eq!(backend.wait(id, PATIENCE).await.unwrap().attempt, 1);
    }
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.listeners").await, 0);
    // The program's own transaction on a connection of the same pool.
    let mut client = pool.get().await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    let id = backend.enqueue_in(&mut transaction, NewTask::new("slow", &1).unwrap()).await.unwrap();
    transaction.commit().await.unwrap();
    backend.wait(id, PATIENCE).await.unwrap();
    stop.stop();
    running.await.unwrap().unwrap();
    drop(client);
    assert!(pool.status().size <= 2);

    backend.close().await.unwrap();
    assert!(backend.enqueue(NewTask::new("slow", &1).unwrap()).await.unwrap_err().is_closed());
    let both = [pool.get().await.unwrap(), pool.get().await.unwrap()];
    for client in &both {
        let left = "select array_agg(name) from (
            select name from pg_prepared_statements where name <> ''
            union all select name from pg_settings where source = 'session') x";
        let left: Option<Vec<String>> = client.query_typed(left, &[]).await.unwrap()[0].get(0);
        assert_eq!(left, None, "nothing stays behind in the session");
    }
}

#[tokio::test]
async fn c29_a_pool_of_deadpool_that_is_full_or_leads_nowhere_says_so() {
    let db = TestDb::new().await;
    let pool = pool_of(&db, 1);
    let settings = Settings::builder().acquire_timeout(Duration::from_millis(100)).build().unwrap();
    let backend = AsyncPostgresBackend::from_pool_with_settings(pool.clone(), &settings).await.unwrap();
    let held = pool.get().await.unwrap();
    let error = backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap_err();
    assert!(error.is_pool_timeout() && error.to_string().contains("all 1 are in use"), "{error:?}");
    drop(held);
    backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    backend.close().await.unwrap();
    pool.close();
    let error = AsyncPostgresBackend::from_pool(&pool).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");

    let nowhere = Manager::new("postgresql://me@127.0.0.1:1/app".parse().unwrap(), NoTls);
    let nowhere = Pool::builder(nowhere).max_size(1).build().unwrap();
    let error = AsyncPostgresBackend::from_pool_with_settings(&nowhere, &settings).await.unwrap_err();
    assert!(
        error.is_unavailable() && error.to_string().contains("the program's pool made no connection"),
        "{error:?}"
    );

    let other = Settings::from_url(&db.url()).unwrap();
    let error = AsyncPostgresBackend::from_pool_with_settings(&nowhere, &other).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("url is set"), "{error:?}");
}

/// The backend has connections of its own to the pool's database; the program's transactions are taken as they are.
macro_rules! of_sqlx {
    ($sqlx:ident) => {{
        let db = TestDb::new().await;
        let pool = $sqlx::PgPool::connect(&db.url()).await.unwrap();
        let backend = AsyncPostgresBackend::from_pool(&pool).await.unwrap();
        let worker = echo_worker(&backend);
        let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));

        let mut transaction = pool.begin().await.unwrap();
        $sqlx::query("create table orders (id int)").execute(&mut *transaction).await.unwrap();
        let id = backend.enqueue_in(&mut transaction, NewTask::new("echo", &7).unwrap()).await.unwrap();
        assert!(backend.queue().get(id).await.unwrap().is_none());
        transaction.commit().await.unwrap();
        assert_eq!(backend.wait_for::<i32>(id, PATIENCE).await.unwrap(), 7);

        let mut connection = pool.acquire().await.unwrap();
        let id = backend.enqueue_in(&mut connection, NewTask::new("echo", &8).unwrap()).await.unwrap();
        assert_eq!(backend.wait_for::<i32>(id, PATIENCE).await.unwrap(), 8);
        drop(connection);

        let mut transaction = pool.begin().await.unwrap();
        let id = backend.enqueue_in(&mut transaction, NewTask::new("echo", &9).unwrap()).await.unwrap();
        let again = NewTask::new("echo", &9).unwrap().id(id);
        let error = backend.enqueue_in(&mut transaction, again).await.unwrap_err();
        assert!(error.is_duplicate() && error.sqlstate() == Some("23505"), "{error:?}");
        transaction.rollback().await.unwrap();

        stop.stop();
        running.await.unwrap().unwrap();
        backend.close().await.unwrap();
        assert!(!pool.is_closed());
    }};
}

#[tokio::test]
async fn c29_a_pool_of_sqlx_says_where_its_database_is() {
    of_sqlx!(sqlx);
}

#[tokio::test]
async fn c29_a_pool_of_sqlx_0_8_says_where_its_database_is() {
    of_sqlx!(sqlx_0_8);
}
