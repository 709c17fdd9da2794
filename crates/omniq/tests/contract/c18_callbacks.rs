//! C18: callbacks see every end of their tasks, each once, whatever ends them.

use std::time::Duration;

use omniq::port::WorkerInfo;
use omniq::prelude::*;
use omniq::{EventFilter, EventKind, TaskError, TaskFilter};
use omniq_testkit::{TestDb, eventually};

use crate::witness::{PATIENCE, full, number};

/// The ends that callbacks were told: task, kind and attempt.
async fn told(backend: &AsyncPostgresBackend) -> Vec<(TaskId, &'static str, u32)> {
    let all = TaskFilter { queue: Some("seen".to_owned()), limit: Some(10_000), ..TaskFilter::default() };
    let tasks = backend.queue().list(&all).await.unwrap();
    let mut ends: Vec<_> = tasks
        .iter()
        .map(|task| {
            assert!(task.callbacks.is_empty());
            let ended: Ended = task.payload.decode().unwrap();
            (ended.task_id, ended.kind.name(), ended.attempt)
        })
        .collect();
    ends.sort_unstable();
    ends
}

/// The ends that the events tell, which are written in the same transactions.
async fn logged(backend: &AsyncPostgresBackend) -> Vec<(TaskId, &'static str, u32)> {
    let all = EventFilter { limit: Some(10_000), ..EventFilter::default() };
    let events = backend.events().unwrap().query(&all).await.unwrap();
    let mut ends: Vec<_> = events
        .into_iter()
        .filter_map(|event| {
            let kind = match event.kind {
                EventKind::Completed => "success",
                EventKind::Retried | EventKind::Rescued => "retry",
                EventKind::Failed => "dead",
                EventKind::Cancelled => "cancelled",
                EventKind::Discarded => "discarded",
                EventKind::Expired => "expired",
                _ => return None,
            };
            Some((event.task_id?, kind, event.attempt?))
        })
        .collect();
    ends.sort_unstable();
    ends
}

/// What a run does, by its number.
async fn act(number: u32, context: Context) -> Result<u32, Failure> {
    match number % 5 {
        0 => Ok(number),
        1 if context.attempt() == 1 => Err(Failure::error("E", "once").delay(Duration::ZERO)),
        2 => Err(Failure::error("E", "always").delay(Duration::ZERO)),
        3 => Err(Failure::discard("not wanted")),
        // A snooze does not count as an attempt.
        4 if context.task().claim.is_some_and(|claim| claim.number == 1) => {
            Err(Failure::snooze(Duration::ZERO))
        }
        _ => Ok(number),
    }
}

/// Runs that end in every way beside cancels, expiry, and the loss of a worker.
#[tokio::test]
async fn c18_callbacks_see_every_end_once() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let on = |queue: &str, number: u32| {
        let task = NewTask::new("act", &number).unwrap().queue(queue).max_retries(1);
        task.callback(Callback::new(EndKind::ALL, "seen").queue("seen"))
    };
    // Their worker is lost: two of them have no retry left.
    let lost = (0..4).map(|number| on("lost", number).max_retries(u32::from(number < 2)));
    backend.enqueue_many(lost.collect()).await.unwrap();
    let ended = WorkerInfo { lease: Duration::from_millis(100), ..WorkerInfo::new(["lost"]) };
    let worker = backend.queue().register_worker(&ended).await.unwrap();
    let claimed = backend.queue().claim(worker, &Dequeue::from(["lost"]).limit(4)).await.unwrap();
    assert_eq!(claimed.len(), 4);
    // These nobody claims in time.
    let late = (0..5).map(|number| on("idle", number).ttl(Duration::from_millis(1)));
    backend.enqueue_many(late.collect()).await.unwrap();

    let ids = backend.enqueue_many((0..60).map(|number| on("default", number)).collect()).await.unwrap();
    let worker = Worker::builder(backend.backend())
        .queues(["default", "lost"])
        .maintenance_interval(Duration::from_millis(50))
        .function("act", act)
        .build()
        .unwrap();
    // Some of them before the worker begins, the others beside it.
    let (before, beside) = ids.split_at(20);
    backend.cancel_many(&before[..5]).await.unwrap();
    let (handle, run) = (worker.handle(), tokio::spawn(async move { worker.run().await }));
    for id in beside.iter().rev().step_by(3) {
        backend.cancel(*id).await.unwrap();
    }
    let witness = db.client().await;
    let left = "select count(*) from omniq.task_list where queue <> 'seen' and state <> 'dead'";
    eventually("all tasks have ended", PATIENCE, async || (number(&witness, left).await == 0).then_some(()))
        .await;
    handle.stop();
    run.await.unwrap().unwrap();

    let (told, logged) = (told(&backend).await, logged(&backend).await);
    assert_eq!(told, logged);
    for kind in EndKind::ALL {
        assert!(told.iter().any(|(_, name, _)| *name == kind.name()), "{kind:?} is missing in {told:?}");
    }
    backend.close().await.unwrap();
}

/// A settlement in the user's transaction enqueues with its commit, and not after a rollback.
#[tokio::test]
async fn c21_callbacks_follow_the_users_transaction() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let callback = Callback::new(EndKind::ALL, "seen").queue("seen");
    let tasks = vec![NewTask::new("act", &1).unwrap().callback(callback); 3];
    backend.enqueue_many(tasks).await.unwrap();
    let held = backend.queue().dequeue_many(Dequeue::from(["default"]).limit(3)).await.unwrap();
    let mut client = db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    backend.complete_in(&mut transaction, &held[0], None).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(told(&backend).await, []);
    let mut transaction = client.transaction().await.unwrap();
    backend.complete_in(&mut transaction, &held[0], None).await.unwrap();
    backend.fail_in(&mut transaction, &held[1], TaskError::new("E", "once")).await.unwrap();
    assert_eq!(told(&backend).await, []);
    transaction.commit().await.unwrap();
    let mut expected = [(held[0].id, "success", 1), (held[1].id, "retry", 1)];
    expected.sort_unstable();
    assert_eq!(told(&backend).await, expected);
    backend.close().await.unwrap();
}

/// The callbacks of a backend are those of all its tasks, but for the tasks of these callbacks.
#[tokio::test]
async fn c18_a_backend_has_callbacks_for_all_its_tasks() {
    const SEEN: TaskDef<Ended, ()> = TaskDef::new("seen").queue("seen").max_retries(7);
    static OWN: [Callback; 1] = [Callback::fixed(&[EndKind::Success], "own")];
    const ADD: TaskDef<u32, u32> = TaskDef::new("add").callbacks(&OWN);
    let db = TestDb::new().await;
    let backend = full(&db).await.map_backend(|backend| backend.with_callback(SEEN.on([EndKind::Success])));
    let mut client = db.client().await;
    let transaction = &mut client.transaction().await.unwrap();
    let inside = backend.enqueue_in(transaction, ADD.call(&1).unwrap()).await.unwrap();
    let of = async |id| backend.queue().get(id).await.unwrap().map(|task: Task| task.callbacks);
    assert_eq!(of(inside).await, None);
    let outside = backend.enqueue(ADD.call(&1).unwrap()).await.unwrap();
    let many = backend.enqueue_many(vec![ADD.call(&1).unwrap(); 2]).await.unwrap();
    for id in many.into_iter().chain([outside]) {
        let callbacks = of(id).await.unwrap();
        assert_eq!(callbacks.iter().map(|one| &*one.func).collect::<Vec<_>>(), ["own", "seen"]);
        assert_eq!((&*callbacks[1].queue, callbacks[1].max_retries), ("seen", 7));
    }
    let ended = NewTask::new("seen", &()).unwrap();
    assert_eq!(of(backend.enqueue(ended).await.unwrap()).await.unwrap(), []);
    backend.close().await.unwrap();
}
