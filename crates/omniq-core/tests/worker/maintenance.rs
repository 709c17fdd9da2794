//! Maintenance by workers: rescue, expiry, clean-up.

use std::time::Duration;

use omniq_core::*;
use omniq_testkit::Log;

use crate::support::*;

/// A worker that claims a task and then crashes.
async fn claim_and_die(rig: &Rig, id: TaskId) {
    let info =
        WorkerInfo { name: "gone".into(), lease: Duration::from_millis(100), ..WorkerInfo::new(["default"]) };
    let worker = rig.queue.register_worker(&info).await.unwrap();
    let claimed = rig.queue.claim(worker, &Dequeue::from(["default"])).await.unwrap();
    assert_eq!(claimed[0].id, id);
    tokio::time::sleep(Duration::from_millis(150)).await;
}

fn attempt() -> Handler {
    Handler::new(|(): (), context: Context| async move { Ok::<_, Failure>(context.attempt()) })
}

#[tokio::test]
async fn tasks_of_a_lost_worker_are_taken_back_with_the_attempt_counted() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(1)).await;
    claim_and_die(&rig, id).await;
    let worker =
        rig.worker().maintenance_interval(Duration::from_millis(20)).handler("f", attempt()).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    assert_eq!(rig.result(id).await.value.unwrap().decode::<u32>().unwrap(), 2);
    handle.stop();
    soon(running).await.unwrap().unwrap();

    let rescued = EventFilter { kind: Some(EventKind::Rescued), ..Default::default() };
    let rescued = rig.events.query(&rescued).await.unwrap();
    assert_eq!(rescued[0].worker.as_deref(), Some("gone"));
    assert_eq!(rescued[0].data["error"]["type"], "worker_lost");
}

/// Issue 12, E11: detected by a chaos test with a full disk, where each try logged that it had taken the tasks back.
#[tokio::test]
async fn tasks_are_said_to_be_taken_back_when_they_are() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(1)).await;
    claim_and_die(&rig, id).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    rig.queue.fail("settle", 3, |message| Error::unavailable(message));
    let worker =
        rig.worker().maintenance_interval(Duration::from_millis(20)).handler("f", attempt()).build().unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    rig.result(id).await;
    handle.stop();
    soon(running).await.unwrap().unwrap();
    assert_eq!(rig.queue.faults_left("settle"), 0);
    let log = log.text();
    assert_eq!(log.matches("taken back").count(), 1, "{log}");
}

#[tokio::test]
async fn a_task_that_loses_all_its_workers_ends_as_a_dead_letter() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0)).await;
    claim_and_die(&rig, id).await;
    let worker = rig.worker().handler("f", attempt()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(rig.task(id).await.state, TaskState::Dead);
    let result = rig.result(id).await;
    assert_eq!((result.status, result.worker.as_deref()), (ResultStatus::Failed, Some("gone")));
    assert_eq!(result.error.unwrap().kind, "worker_lost");
    assert_eq!(rig.kinds(id).await, ["enqueued", "failed"]);
}

#[tokio::test]
async fn expired_tasks_get_a_result_and_old_results_go() {
    let rig = Rig::new();
    let id = rig.add(task("f").ttl(Duration::from_millis(1))).await;
    let mut old = TaskResult::new(TaskId::new(), ResultStatus::Completed);
    old.ttl = Some(Duration::from_millis(1));
    rig.results.store(old).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let worker = rig.worker().handler("f", attempt()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();

    assert_eq!(rig.result(id).await.status, ResultStatus::Expired);
    assert_eq!(rig.left().await, 0);
    assert_eq!(rig.kinds(id).await, ["enqueued", "expired"]);
    assert_eq!(rig.results.purge_expired(10).await.unwrap(), 0, "the worker must have purged it");
}

#[tokio::test]
async fn a_thousand_lost_and_expired_tasks_are_dealt_with_in_one_round() {
    let rig = Rig::new();
    let lost = rig.backend.enqueue_many(vec![task("f").max_retries(0); 1200]).await.unwrap();
    let info = WorkerInfo { lease: Duration::from_millis(100), ..WorkerInfo::new(["default"]) };
    let worker = rig.queue.register_worker(&info).await.unwrap();
    assert_eq!(
        rig.queue.claim(worker, &Dequeue::from(["default"]).limit(5000)).await.unwrap().len(),
        lost.len()
    );
    let short = vec![task("f").ttl(Duration::from_millis(1)); 1200];
    let expired = rig.backend.enqueue_many(short).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let worker = rig.worker().handler("f", attempt()).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(rig.count(TaskState::Dead).await, lost.len() as u64);
    assert_eq!(rig.left().await, lost.len() as u64);
    let filter = ResultFilter { status: Some(ResultStatus::Expired), ..Default::default() };
    assert_eq!(rig.results.count(&filter).await.unwrap(), expired.len() as u64);
}

#[tokio::test]
async fn maintenance_that_fails_is_tried_again() {
    let rig = Rig::new();
    rig.queue.fail("lost", 2, |text| Error::unavailable(text));
    rig.queue.fail("expired", 1, |text| Error::internal(text));
    let id = rig.add(task("f").ttl(Duration::from_millis(1))).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let worker = rig.worker().maintenance_interval(Duration::from_millis(10)).handler("f", attempt());
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    assert_eq!(rig.result(id).await.status, ResultStatus::Expired);
    until("the rescue is tried again as well", || async { rig.queue.faults_left("lost") == 0 }).await;
    assert_eq!(rig.queue.faults_left("expired"), 0);
    handle.stop();
    soon(running).await.unwrap().unwrap();
}

/// Issue 12, C11: a step that has to wait, or fails, holds up no other.
#[tokio::test]
async fn steps_of_maintenance_do_not_wait_for_each_other() {
    let rig = Rig::new();
    rig.queue.fail("lost", 10_000, |text| Error::internal(text));
    let id = rig.add(task("f").ttl(Duration::from_millis(1))).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let worker = rig.worker().maintenance_interval(Duration::from_millis(10)).handler("f", attempt());
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    assert_eq!(rig.result(id).await.status, ResultStatus::Expired);
    handle.stop();
    soon(running).await.unwrap().unwrap();
}
