//! C22: tasks that run after others, with workers, results and transactions of the user.

use std::time::Duration;

use omniq::PREDECESSOR_FAILED;
use omniq::prelude::*;
use omniq_testkit::{TestDb, eventually};

use crate::witness::{PATIENCE, full, number};

fn worker(backend: &AsyncPostgresBackend, maintenance: Duration) -> Worker {
    Worker::builder(backend)
        .maintenance_interval(maintenance)
        .register("square", |value: u64, _: Context| async move { Ok::<_, Failure>(value * value) })
        .register("sum", |(): (), context: Context| async move {
            let values: Vec<u64> = context.predecessors().await?.values()?;
            Ok::<_, Failure>(values.iter().sum::<u64>())
        })
        .register(
            "fail",
            |(): (), _: Context| async move { Err::<(), _>(Failure::error("Broken", "it broke")) },
        )
        .build()
        .unwrap()
}

fn sum() -> NewTask {
    NewTask::new("sum", &()).unwrap()
}

fn square(value: u64) -> NewTask {
    NewTask::new("square", &value).unwrap()
}

async fn state(backend: &AsyncPostgresBackend, id: TaskId) -> Option<TaskState> {
    backend.queue().get(id).await.unwrap().map(|task| task.state)
}

/// A fan-out and a fan-in: the last task has the values of those before it, in their order. Nothing of it is left in the end.
#[tokio::test]
async fn c22_a_task_has_the_values_of_those_that_it_runs_after() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let mut squares: Vec<NewTask> = (1..=100).map(square).collect();
    let total = sum().after(squares.iter_mut().map(NewTask::own_id));
    let ids = backend.enqueue_many(squares.into_iter().chain([total]).collect()).await.unwrap();
    let worker = worker(&backend, Duration::from_millis(100));
    let (handle, run) = (worker.handle(), tokio::spawn(async move { worker.run().await }));
    let result = backend.wait(ids[100], PATIENCE).await.unwrap();
    assert_eq!(result.value.unwrap().decode::<u64>().unwrap(), 338_350);
    // One that comes later finds them by their results.
    let later = backend.enqueue(sum().after([ids[1], ids[100]])).await.unwrap();
    assert_eq!(backend.wait(later, PATIENCE).await.unwrap().value.unwrap().decode::<u64>().unwrap(), 338_354);
    handle.stop();
    run.await.unwrap().unwrap();
    let client = db.client().await;
    for count in ["omniq.tasks", "omniq.end_notes"] {
        assert_eq!(number(&client, &format!("select count(*) from {count}")).await, 0, "{count}");
    }
    // What nothing can ask for any more is removed, some time after.
    client.batch_execute("update omniq.nodes set look_at = now() - interval '1 second'").await.unwrap();
    for _ in 0..3 {
        backend.queue().maintain().await.unwrap();
        client.batch_execute("update omniq.nodes set look_at = now() - interval '1 second'").await.unwrap();
    }
    for table in ["nodes", "waits", "predecessors"] {
        assert_eq!(number(&client, &format!("select count(*) from omniq.{table}")).await, 0, "{table}");
    }
    backend.close().await.unwrap();
}

/// Whoever waits for the result of a task that cannot run any more is told at once, however many tasks lie between.
#[tokio::test]
async fn c22_what_cannot_run_any_more_ends_with_a_result() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    // So rare that it explains nothing.
    let worker = worker(&backend, Duration::from_secs(3600));
    let (handle, run) = (worker.handle(), tokio::spawn(async move { worker.run().await }));
    let mut tasks = vec![NewTask::new("fail", &()).unwrap().max_retries(0)];
    for place in 0..2_000 {
        let before = tasks[place].own_id();
        tasks.push(square(1).after([before]));
    }
    let first = tasks[0].own_id();
    tasks.push(square(3).after([first]).if_failed(IfFailed::Run));
    let ids = backend.enqueue_many(tasks).await.unwrap();
    let last = backend.wait(ids[2_000], PATIENCE).await.unwrap();
    let error = last.error.unwrap();
    assert_eq!(error.kind, PREDECESSOR_FAILED);
    assert!(error.message.contains(&ids[1_999].to_string()), "{error:?}");
    assert_eq!(backend.wait(ids[2_001], PATIENCE).await.unwrap().value.unwrap().decode::<u64>().unwrap(), 9);
    // A cancel goes on to what waits, with its result.
    let mut waiting = square(1).delay(Duration::from_secs(3600));
    let after = square(2).after([waiting.own_id()]);
    let ids = backend.enqueue_many(vec![waiting, after]).await.unwrap();
    backend.cancel(ids[0]).await.unwrap();
    let result = backend.wait(ids[1], PATIENCE).await.unwrap();
    assert_eq!(
        (result.status.name(), result.error.unwrap().kind.as_str()),
        ("cancelled", PREDECESSOR_FAILED)
    );
    handle.stop();
    run.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// A completion in a transaction that stays open holds up its own dependents alone, and so does a lock on one of them.
#[tokio::test]
async fn c22_an_open_transaction_holds_up_nothing_else() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let mut tasks: Vec<NewTask> = (0..3).map(square).collect();
    let before: Vec<TaskId> = tasks.iter_mut().map(NewTask::own_id).collect();
    tasks.extend((0..3).map(|place| square(10).after([before[place]]).queue("later")));
    // Beside the last one another task with the same predecessor.
    tasks.push(square(10).after([before[2]]).queue("later"));
    let ids = backend.enqueue_many(tasks).await.unwrap();
    let held = backend.queue().dequeue_many(Dequeue::from(["default"]).limit(3)).await.unwrap();
    let of = |place: usize| held.iter().find(|task| task.id == before[place]).unwrap();

    let (mut open, lock) = (db.client().await, db.client().await);
    let mut open = open.transaction().await.unwrap();
    backend.complete_in(&mut open, of(0), None).await.unwrap();
    lock.batch_execute("begin").await.unwrap();
    lock.execute("select from omniq.tasks where id = $1 for update", &[&ids[5].as_uuid()]).await.unwrap();
    // An enqueue after tasks of others, which is not committed, either.
    let mut user = db.client().await;
    let mut user = user.transaction().await.unwrap();
    let of_user =
        backend.enqueue_in(&mut user, square(20).after([before[1], before[2]]).queue("later")).await.unwrap();

    backend.complete_many(vec![(of(1).clone(), None), (of(2).clone(), None)]).await.unwrap();
    let states =
        [state(&backend, ids[3]).await, state(&backend, ids[4]).await, state(&backend, ids[5]).await];
    assert_eq!(states, [Some(TaskState::Blocked), Some(TaskState::Ready), Some(TaskState::Blocked)]);
    assert_eq!(state(&backend, ids[6]).await, Some(TaskState::Ready), "the one beside the locked one");

    lock.batch_execute("rollback").await.unwrap();
    open.commit().await.unwrap();
    user.commit().await.unwrap();
    let worker = worker(&backend, Duration::from_millis(50));
    let (handle, run) = (worker.handle(), tokio::spawn(async move { worker.run().await }));
    for id in [ids[3], ids[5], of_user] {
        eventually("it is released", PATIENCE, async || {
            (state(&backend, id).await == Some(TaskState::Ready)).then_some(())
        })
        .await;
    }
    handle.stop();
    run.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// From SQL, with the same rules.
#[tokio::test]
async fn c22_a_task_from_sql_runs_after_others() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let client = db.client().await;
    let first = backend.enqueue(square(2)).await.unwrap();
    let sql = "select omniq.enqueue('square', '3', after => array[$1::uuid], if_failed => 'run')";
    let second: uuid::Uuid = client.query_one(sql, &[&first.as_uuid()]).await.unwrap().get(0);
    let second = TaskId::from(second);
    assert_eq!(state(&backend, second).await, Some(TaskState::Blocked));
    assert_eq!(backend.predecessors(second).await.unwrap()[0].task_id, first);
    for (after, message) in [
        ("array[gen_random_uuid()]", "there is no task"),
        ("array[null::uuid]", "UUID in its usual form"),
        ("null, if_failed => 'run'", "its tasks are no array"),
        ("array[$1::uuid], if_failed => 'perhaps'", "if_failed is unknown"),
        ("array[$1::uuid], key => 'k'", "unique"),
    ] {
        let sql = format!("select omniq.enqueue('square', '3', after => {after})");
        let error = client.query(&sql.replace("$1", &format!("'{first}'")), &[]).await.unwrap_err();
        let error = error.as_db_error().unwrap().message().to_owned();
        assert!(error.contains(message), "{after}: {error}");
    }
    backend.cancel(first).await.unwrap();
    // No library has enqueued it, so the maintenance of a worker acts on it first.
    backend.queue().maintain().await.unwrap();
    assert_eq!(state(&backend, second).await, Some(TaskState::Ready));
    backend.close().await.unwrap();
}
