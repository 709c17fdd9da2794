//! Results and events beside the queue: together with it, elsewhere, failing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::*;

use crate::joint::Joint;
use crate::support::*;

fn one() -> Handler {
    Handler::new(|(): (), _| async { Ok::<_, Failure>(1) })
}

/// An event store that takes nothing: it fails, or gives no answer.
#[derive(Debug)]
struct Broken {
    hangs: bool,
}

#[async_trait]
impl EventStorage for Broken {
    async fn log_many(&self, _: Vec<TaskEvent>) -> Result<()> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(Error::unavailable("no event store today"))
    }

    async fn query(&self, _: &EventFilter) -> Result<Vec<TaskEvent>> {
        Err(Error::unavailable("no event store today"))
    }

    async fn count(&self, _: &EventFilter) -> Result<u64> {
        Err(Error::unavailable("no event store today"))
    }

    async fn purge(&self, _: Timestamp, _: u32) -> Result<u64> {
        Err(Error::unavailable("no event store today"))
    }

    async fn close(&self) -> Result<()> {
        Err(Error::unavailable("no event store today"))
    }

    fn location(&self) -> Location {
        Location::new("nowhere")
    }
}

async fn runs_all_without_events(hangs: bool) {
    let rig = Rig::new();
    let backend = rig.backend.clone().with_events(Arc::new(Broken { hangs }));
    let ids = backend.enqueue_many(vec![task("f"); 100]).await.unwrap();
    let waiting = backend.enqueue(task("f").delay(PATIENCE)).await.unwrap();
    assert_eq!(backend.cancel(waiting).await.unwrap(), Cancelled::Done);
    let worker = Worker::builder(backend.clone()).handler("f", one()).build().unwrap();
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
    let worker = Worker::builder(backend.clone()).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    for id in ids {
        assert_eq!(backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Completed);
        let filter =
            EventFilter { task_id: Some(id), kind: Some(EventKind::Completed), ..Default::default() };
        assert_eq!(joint.events.count(&filter).await.unwrap(), 1, "they are logged by themselves then");
    }
}

#[tokio::test]
async fn parts_in_one_place_are_written_in_the_queues_own_settle() {
    let joint = Joint::new(true);
    let backend = joint.backend();
    let id = backend.enqueue(task("f")).await.unwrap();
    let worker = Worker::builder(backend.clone()).handler("f", one()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(backend.wait(id, PATIENCE).await.unwrap().value.unwrap().decode::<i32>().unwrap(), 1);
    let events = joint.events.query(&EventFilter::default()).await.unwrap();
    assert_eq!(events.last().unwrap().kind, EventKind::Completed);
    assert_eq!(events.last().unwrap().task_id, Some(id));
}

/// Results elsewhere, in a store that notes when it is written.
#[derive(Debug)]
struct Noting {
    inner: MemoryResultStorage,
    calls: Arc<Mutex<Vec<String>>>,
    fails: Mutex<u32>,
}

#[async_trait]
impl ResultStorage for Noting {
    async fn store_many(&self, results: Vec<TaskResult>) -> Result<()> {
        self.calls.lock().unwrap().push("store".into());
        let mut fails = std::mem::take(&mut *self.fails.lock().unwrap());
        if fails > 0 {
            fails -= 1;
            *self.fails.lock().unwrap() = fails;
            return Err(Error::unavailable("no result store yet"));
        }
        self.inner.store_many(results).await
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        self.inner.get_many(ids).await
    }

    async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        self.inner.wait(id, timeout).await
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<u64> {
        self.inner.delete_many(ids).await
    }

    async fn list(&self, filter: &ResultFilter) -> Result<Vec<TaskResult>> {
        self.inner.list(filter).await
    }

    async fn count(&self, filter: &ResultFilter) -> Result<u64> {
        self.inner.count(filter).await
    }

    async fn purge_expired(&self, limit: u32) -> Result<u64> {
        self.inner.purge_expired(limit).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }

    fn location(&self) -> Location {
        self.inner.location()
    }
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
    let worker = Worker::builder(backend.clone()).handler("f", one()).build().unwrap();
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
