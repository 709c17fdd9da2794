//! Results and events beside the queue: in its location, elsewhere, failing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use omniq_core::*;

use crate::joint::Joint;
use crate::stores::{Broken, Noting};
use crate::support::*;

fn one() -> Handler {
    Handler::new(|(): (), _| async { Ok::<_, Failure>(1) })
}

async fn runs_all_without_events(hangs: bool) {
    let rig = Rig::new();
    let backend = rig.backend.clone().with_events(Arc::new(Broken { hangs }));
    let ids = backend.enqueue_many(vec![task("f"); 100]).await.unwrap();
    let waiting = backend.enqueue(task("f").delay(PATIENCE)).await.unwrap();
    assert_eq!(backend.cancel(waiting).await.unwrap(), Cancelled::Done);
    let worker = Worker::builder(&backend).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    for id in ids {
        let result = rig.result(id).await;
        assert_eq!((result.status, result.attempt), (ResultStatus::Completed, 1));
    }
    assert_eq!(rig.left().await, 0);
    assert!(backend.close().await.unwrap_err().is_unavailable());
    assert!(
        rig.queue.enqueue(task("f")).await.unwrap_err().is_closed(),
        "the other parts are closed all the same"
    );
}

#[tokio::test]
async fn c26_a_failing_event_store_fails_no_task() {
    runs_all_without_events(false).await;
}

#[tokio::test]
async fn c26_an_event_store_that_hangs_fails_no_task() {
    runs_all_without_events(true).await;
}

#[tokio::test]
async fn c26_events_that_break_a_common_settle_are_left_out_of_it() {
    let joint = Joint::new(false);
    let backend = joint.backend();
    let ids = backend.enqueue_many(vec![task("f"); 10]).await.unwrap();
    joint.break_events();
    let worker = Worker::builder(&backend).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    for id in ids {
        assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Completed);
        let filter =
            EventFilter { task_id: Some(id), kind: Some(EventKind::Completed), ..Default::default() };
        assert_eq!(joint.events.count(&filter).await.unwrap(), 1, "they are logged by themselves then");
    }
}

/// Issue 12, C15: with a full disk, or a cancelled statement, an end waits for its event if they share the database.
#[tokio::test]
async fn ends_keep_their_events_through_a_full_disk_and_cancelled_statements() {
    let joint = Joint::new(true);
    let backend = joint.backend();
    let id = backend.enqueue(task("f")).await.unwrap();
    joint.undo(&["53100", "57014", "55P03", "40P01", "53100"]);
    let worker = Worker::builder(&backend).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Completed);
    let filter = EventFilter { task_id: Some(id), kind: Some(EventKind::Completed), ..Default::default() };
    assert_eq!(joint.events.count(&filter).await.unwrap(), 1);
}

/// Issue 12, C15: so do events of runs that go on, and they stay before later ones.
#[tokio::test]
async fn events_of_runs_under_way_are_kept_through_a_full_disk_and_locks() {
    let joint = Joint::new(false);
    let backend = joint.backend();
    let id = backend.enqueue(task("f")).await.unwrap();
    joint.undo_logs(&["53100", "55P03", "57014"]);
    let handler = Handler::new(|(): (), context: Context| async move {
        context.log_event("halfway", serde_json::Map::new())?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, Failure>(())
    });
    let worker = Worker::builder(&backend).handler("f", handler).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    let events = joint.events.query(&EventFilter { task_id: Some(id), ..Default::default() }).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.to_string()).collect();
    assert_eq!(kinds, ["enqueued", "started", "halfway", "completed"]);
}

/// Issue 12, C15: but not for ever, because it may be the disk of the events alone. A caller that settles a task itself
/// does not wait at all.
#[tokio::test]
async fn ends_do_without_their_events_when_a_disk_stays_full() {
    let joint = Joint::new(true);
    let backend = joint.backend();
    let ids = backend.enqueue_many(vec![task("f"), task("f")]).await.unwrap();
    joint.undo(&["53100"; 1_000]);
    let held = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    backend.complete(&held, None).await.unwrap();
    let worker = Worker::builder(&backend).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    for id in ids {
        assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Completed);
    }
}

#[tokio::test]
async fn parts_in_one_place_are_written_in_the_queues_own_settle() {
    let joint = Joint::new(true);
    let backend = joint.backend();
    let id = backend.enqueue(task("f")).await.unwrap();
    let worker = Worker::builder(&backend).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(backend.wait(id, PATIENCE).await.unwrap().value.unwrap().decode::<i32>().unwrap(), 1);
    let events = joint.events.query(&EventFilter::default()).await.unwrap();
    assert_eq!(events.last().unwrap().kind, EventKind::Completed);
    assert_eq!(events.last().unwrap().task_id, Some(id));
}

#[tokio::test]
async fn results_elsewhere_are_stored_before_the_task_is_settled() {
    let rig = Rig::new();
    let results = Arc::new(Noting {
        inner: MemoryResultStorage::new(),
        calls: Arc::clone(&rig.queue.calls),
        fails: Mutex::new(2),
    });
    let backend = rig.backend.clone().with_results(results);
    let id = backend.enqueue(task("f")).await.unwrap();
    let worker = Worker::builder(&backend).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Completed);
    let calls = rig.queue.calls.lock().unwrap();
    let writes: Vec<_> = calls.iter().filter(|call| *call == "store" || *call == "settle").collect();
    assert_eq!(writes, ["store", "store", "store", "settle"]);
}

#[tokio::test]
async fn a_bare_dequeue_completes_and_fails_with_result_and_event() {
    let rig = Rig::new();
    let (good, bad) = (rig.add(task("f")).await, rig.add(task("f").max_retries(0)).await);
    let held = rig.queue.dequeue_many(Dequeue::from(["default"]).limit(2)).await.unwrap();
    rig.backend.complete(&held[0], Some(Payload::json("fine").unwrap())).await.unwrap();
    let state = rig.backend.fail(&held[1], TaskError::new("bad", "luck")).await.unwrap();
    assert_eq!(state, TaskState::Dead);

    assert_eq!(rig.result(good).await.value.unwrap().decode::<String>().unwrap(), "fine");
    assert_eq!(rig.result(bad).await.error.unwrap().message, "luck");
    assert_eq!(rig.kinds(good).await, ["enqueued", "completed"]);
    assert_eq!(rig.kinds(bad).await, ["enqueued", "failed"]);
    assert!(rig.backend.complete(&held[0], None).await.unwrap_err().is_claim_lost());
    let unheld = rig.task(bad).await;
    assert!(rig.backend.fail(&unheld, TaskError::new("a", "b")).await.unwrap_err().is_claim_lost());
    assert_eq!(rig.kinds(good).await.len(), 2, "what was not settled is no event");
}
