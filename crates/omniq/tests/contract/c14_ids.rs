//! C14: an id that is used again never shows the result of the earlier task (issue 12, E1).

use std::sync::Arc;
use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::storage::memory::{MemoryQueue, MemoryResultStorage};
use omniq_testkit::TestDb;
use tokio_postgres::IsolationLevel;
use uuid::Uuid;

use crate::witness::{PATIENCE, echo_worker, full, number};

fn task(id: TaskId, value: i64) -> NewTask {
    NewTask::new("echo", &value).unwrap().id(id)
}

fn worker(backend: &Backend) -> Worker {
    let echo = |value: i64, _: Context| async move { Ok::<_, Failure>(value) };
    Worker::builder(backend).register("echo", echo).build().unwrap()
}

async fn value(backend: &Backend, id: TaskId) -> i64 {
    backend.wait(id, PATIENCE).await.unwrap().value.unwrap().decode().unwrap()
}

/// Refused while the earlier result is kept, alone and among others; accepted once it is deleted.
async fn an_id_is_free_when_its_result_is_gone(backend: &Backend) {
    let [first, other] = [Uuid::new_v4(), Uuid::new_v4()].map(TaskId::from);
    backend.enqueue(task(first, 1)).await.unwrap();
    worker(backend).run_until_idle().await.unwrap();
    assert_eq!(value(backend, first).await, 1);

    let again = backend.enqueue(task(first, 2)).await.unwrap_err();
    assert!(again.is_duplicate() && again.message().contains("delete it"), "{again:?}");
    let many = vec![NewTask::new("echo", &3).unwrap(), task(other, 4), task(first, 5)];
    assert!(backend.enqueue_many(many).await.unwrap_err().is_duplicate());
    assert_eq!(backend.queue().count(&Default::default()).await.unwrap(), 0, "nothing is written");
    assert_eq!(value(backend, first).await, 1);

    backend.results().unwrap().delete(first).await.unwrap();
    backend.enqueue_many(vec![task(first, 6), task(other, 7)]).await.unwrap();
    assert_eq!(backend.result(first).await.unwrap(), None, "the new task has no result yet");
    worker(backend).run_until_idle().await.unwrap();
    assert_eq!((value(backend, first).await, value(backend, other).await), (6, 7));
}

#[tokio::test]
async fn c14_an_id_used_again_never_shows_the_earlier_result() {
    let memory =
        Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
    an_id_is_free_when_its_result_is_gone(&memory).await;
    let other = TestDb::new().await;
    for results in ["postgres", "memory", &other.url()] {
        let db = TestDb::new().await;
        let settings = Settings::builder().url(db.url()).results(results).build().unwrap();
        let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
        an_id_is_free_when_its_result_is_gone(backend.backend()).await;
        backend.close().await.unwrap();
    }
}

/// An expired result does not hold an id; the kept result of a task in the middle of a segment does.
#[tokio::test]
async fn c14_an_expired_result_leaves_its_id_free() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).result_ttl(Duration::from_secs(4)).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let run =
        backend.enqueue_many((0..20).map(|n| NewTask::new("echo", &n).unwrap()).collect()).await.unwrap();
    echo_worker(&backend).run_until_idle().await.unwrap();
    assert!(backend.enqueue(task(run[13], 1)).await.unwrap_err().is_duplicate());
    tokio::time::sleep(Duration::from_millis(4_100)).await;
    backend.enqueue(task(run[13], 2)).await.unwrap();
    backend.close().await.unwrap();
}

/// By SQL, and inside the user's own transaction, whether or not the caller says that the id is chosen.
#[tokio::test]
async fn c14_sql_refuses_an_id_whose_result_is_kept() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let mut witness = db.client().await;
    let id = Uuid::new_v4();
    let one = "select omniq.enqueue('echo', '1', id => $1)";
    let many = "select omniq.enqueue_many(array[$1]::uuid[], '{default}', '{echo}', '{json}', array['1']::bytea[], '{0}', '{3}',
        array[null]::timestamptz[], array[null]::float8[], array[null]::float8[], array[null]::text[], array[null]::text[])";
    witness.query_one(one, &[&id]).await.unwrap();
    echo_worker(&backend).run_until_idle().await.unwrap();
    for sql in [one, many] {
        let error = witness.query(sql, &[&id]).await.unwrap_err();
        let db = error.as_db_error().unwrap();
        assert_eq!((db.code().code(), db.constraint()), ("23505", Some("results_task")), "{db:?}");
    }
    let mut transaction = witness.transaction().await.unwrap();
    let error = backend.enqueue_in(&mut transaction, task(id.into(), 2)).await.unwrap_err();
    assert!(error.is_duplicate() && error.message().contains("delete it"), "{error:?}");
    transaction.rollback().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);

    backend.results().unwrap().delete(id.into()).await.unwrap();
    witness.query_one(one, &[&id]).await.unwrap();
    backend.close().await.unwrap();
}

/// If results are kept elsewhere, an enqueue in a transaction looks for the result before it is sent.
#[tokio::test]
async fn c14_a_transaction_cannot_use_an_id_whose_result_is_kept_elsewhere() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).results("memory").build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let mut witness = db.client().await;
    let id = TaskId::from(Uuid::new_v4());
    backend.enqueue(task(id, 1)).await.unwrap();
    worker(backend.backend()).run_until_idle().await.unwrap();
    let mut transaction = witness.transaction().await.unwrap();
    let one = backend.enqueue_in(&mut transaction, task(id, 2)).await.unwrap_err();
    let many = backend.enqueue_many_in(&mut transaction, vec![task(id, 3)]).await.unwrap_err();
    assert!(one.is_duplicate() && many.is_duplicate(), "{one:?} {many:?}");
    transaction.commit().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    backend.close().await.unwrap();
}

/// A transaction with an older snapshot does not see the earlier task's result: the new result replaces it.
#[tokio::test]
async fn c14_an_id_that_was_taken_unseen_has_the_new_result() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let mut user = db.client().await;
    let mut transaction =
        user.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await.unwrap();
    transaction.query("select 1", &[]).await.unwrap();
    let id = TaskId::from(Uuid::new_v4());
    backend.enqueue(task(id, 1)).await.unwrap();
    echo_worker(&backend).run_until_idle().await.unwrap();
    assert_eq!(value(backend.backend(), id).await, 1);
    backend.enqueue_in(&mut transaction, task(id, 2)).await.unwrap();
    transaction.commit().await.unwrap();
    echo_worker(&backend).run_until_idle().await.unwrap();
    assert_eq!(value(backend.backend(), id).await, 2);
    assert_eq!(number(&user, "select count(*) from omniq.results").await, 1);
    backend.close().await.unwrap();
}

/// Tried repeatedly while the first task runs and ends, an id is never accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_an_id_is_refused_while_its_task_ends() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let worker = worker(backend.backend());
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    for round in 0..100 {
        let id = TaskId::from(Uuid::new_v4());
        backend.enqueue(task(id, round)).await.unwrap();
        while backend.result(id).await.unwrap().is_none() {
            let again = backend.enqueue(task(id, -1)).await;
            assert!(again.as_ref().is_err_and(omniq::Error::is_duplicate), "round {round}: {again:?}");
        }
        assert_eq!(value(backend.backend(), id).await, round);
    }
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// The number of `enqueued` events.
async fn enqueued(db: &TestDb) -> i64 {
    number(&db.client().await, "select count(*) from omniq.events where kind = 'enqueued'").await
}

/// With events in the transaction of the enqueue, and results there or elsewhere: an id that is refused, because a task has it or its
/// result is kept, leaves no event.
#[tokio::test]
async fn c14_an_id_that_is_refused_leaves_no_event() {
    let other = TestDb::new().await;
    for results in ["postgres", "memory", &other.url()] {
        let db = TestDb::new().await;
        let settings = Settings::builder().url(db.url()).results(results).events("postgres").build().unwrap();
        let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
        let [id, other] = [Uuid::new_v4(), Uuid::new_v4()].map(TaskId::from);
        backend.enqueue(task(id, 1)).await.unwrap();
        for kept in [false, true] {
            assert_eq!(backend.result(id).await.unwrap().is_some(), kept);
            assert!(backend.enqueue(task(id, 2)).await.unwrap_err().is_duplicate(), "{results}, {kept}");
            let many = vec![task(other, 3), task(id, 4)];
            assert!(backend.enqueue_many(many).await.unwrap_err().is_duplicate(), "{results}, {kept}");
            assert_eq!(enqueued(&db).await, 1, "{results}, {kept}");
            worker(backend.backend()).run_until_idle().await.unwrap();
        }
        backend.results().unwrap().delete(id).await.unwrap();
        backend.enqueue(task(id, 5)).await.unwrap();
        assert_eq!(enqueued(&db).await, 2, "{results}");
        backend.close().await.unwrap();
    }
}

/// Of several simultaneous callers with the same id, through one object and through two, one adds its task, with one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_of_callers_at_once_with_one_id_one_wins() {
    let db = TestDb::new().await;
    let backends = [full(&db).await, full(&db).await];
    for round in 1..=20 {
        let id = TaskId::from(Uuid::new_v4());
        let calls = backends.iter().flat_map(|backend| {
            let (single, bulk) = (backend.clone(), backend.clone());
            [
                tokio::spawn(async move { single.enqueue(task(id, 1)).await.map(drop) }),
                tokio::spawn(async move { bulk.enqueue_many(vec![task(id, 2)]).await.map(drop) }),
            ]
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            match call.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert!(error.is_duplicate(), "{error:?}"),
            }
        }
        assert_eq!((won, enqueued(&db).await), (1, round));
    }
    let tasks = number(&db.client().await, "select count(*) from omniq.task_list").await;
    assert_eq!(tasks, 20);
    for backend in backends {
        backend.close().await.unwrap();
    }
}
