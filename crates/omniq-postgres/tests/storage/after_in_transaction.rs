//! Tasks that run after others, enqueued in a transaction of the user and by SQL clients.

use omniq_core::*;
use omniq_postgres::AsyncPostgresBackend;
use omniq_testkit::TestDb;

fn task(number: i64) -> NewTask {
    NewTask::new("work", &number).unwrap()
}

/// Several tasks of one call that run after the same ones: only the first names them on the way.
#[tokio::test]
async fn c22_tasks_with_the_same_predecessors_in_a_transaction() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let mut client = db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    let before = backend.enqueue_in(&mut transaction, task(0)).await.unwrap();
    let many = vec![task(1).after([before]), task(2), task(3).after([before])];
    let ids = backend.enqueue_many_in(&mut transaction, many).await.unwrap();
    transaction.commit().await.unwrap();
    for (id, expected) in ids.iter().zip([vec![before], vec![], vec![before]]) {
        assert_eq!(backend.queue().predecessors(*id).await.unwrap(), expected);
    }
    let states = backend.queue().get_many(&ids).await.unwrap();
    let states: Vec<TaskState> = states.into_iter().map(|task| task.unwrap().state).collect();
    assert_eq!(states, [TaskState::Blocked, TaskState::Ready, TaskState::Blocked]);
    backend.close().await.unwrap();
}

/// A place that leads to no list of tasks would block a task for ever.
#[tokio::test]
async fn c22_a_place_without_predecessors_is_refused() {
    let db = TestDb::new().await;
    AsyncPostgresBackend::connect(&db.url()).await.unwrap().close().await.unwrap();
    let client = db.client().await;
    for (place, words) in [
        ("1", "names no others itself"),
        ("2", "names no others itself"),
        ("9", "names no others itself"),
        ("0", "is no place of a task of the call"),
        ("1.5", "is no place of a task of the call"),
        ("\"1\"", "is no place of a task of the call"),
        ("1, \"if_failed\": \"run\"", "is not alone"),
    ] {
        let options = format!("{{\"after\": {{\"as\": {place}}}}}");
        let sql = format!(
            "select omniq.enqueue_many(array[null, null]::uuid[], '{{q,q}}', '{{f,f}}', '{{json,json}}', array['1', '2']::bytea[], \
             '{{0,0}}', '{{0,0}}', null, null, null, array[$o${options}$o$, null], null)"
        );
        let error = client.simple_query(&sql).await.unwrap_err();
        let message = error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default();
        assert!(message.contains(words), "{place}: {error:?}");
    }
    let count: i64 = client.query_one("select count(*) from omniq.tasks", &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

/// A task that is enqueued after a dead letter has ended when the call returns, without a worker.
#[tokio::test]
async fn c22_an_enqueue_after_a_dead_letter_ends_at_once() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let first = backend.enqueue(task(0).max_retries(0)).await.unwrap();
    let held = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    backend.fail(&held, TaskError::new("boom", "no")).await.unwrap();
    let mut ids = vec![backend.enqueue(task(1).after([first])).await.unwrap()];
    ids.extend(backend.enqueue_many(vec![task(2).after([first]), task(3).after([ids[0]])]).await.unwrap());
    for id in ids {
        let result = backend.result(id).await.unwrap().unwrap();
        assert_eq!(result.status, ResultStatus::Failed);
        assert_eq!(result.error.unwrap().kind, PREDECESSOR_FAILED);
    }
    backend.close().await.unwrap();
}

/// A predecessor whose row is locked while it is looked for, and that has gone by the next look, is not waited for any more.
#[tokio::test]
async fn c22_a_predecessor_that_ends_while_it_cannot_be_linked() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let queue = backend.queue();
    for fails in [false, true] {
        let first = backend.enqueue(task(1).max_retries(0)).await.unwrap();
        let held = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
        let mut client = db.client().await;
        let locks = client.transaction().await.unwrap();
        locks.execute("select from omniq.tasks where id = $1 for update", &[&first.as_uuid()]).await.unwrap();
        let second = backend.enqueue(task(2).after([first])).await.unwrap();
        queue.maintain().await.unwrap();
        locks.commit().await.unwrap();
        if fails {
            backend.fail(&held, TaskError::new("boom", "no")).await.unwrap();
        } else {
            backend.complete(&held, None).await.unwrap();
        }
        queue.maintain().await.unwrap();
        let task = queue.get(second).await.unwrap().unwrap();
        let broken = queue.broken(10).await.unwrap().len();
        assert_eq!((task.state, broken), if fails { (TaskState::Blocked, 1) } else { (TaskState::Ready, 0) });
        backend.cancel(second).await.unwrap();
    }
    backend.close().await.unwrap();
}
