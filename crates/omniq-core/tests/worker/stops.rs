//! The end of a worker: gracefully, at once, and by being dropped.

use std::time::Duration;

use omniq_core::*;

use crate::support::*;

#[tokio::test]
async fn a_stop_lets_runs_end_and_claims_no_more() {
    let rig = Rig::new();
    let first = rig.add(task("f")).await;
    let (gated, handler) = Gated::new();
    let worker = rig.worker().concurrency(1).handler("f", handler).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(1).await;
    let second = rig.add(task("f")).await;
    handle.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!running.is_finished(), "it waits for the run");
    gated.gate.add_permits(2);
    soon(running).await.unwrap().unwrap();

    assert_eq!(rig.result(first).await.status, ResultStatus::Completed);
    assert_eq!(rig.task(second).await.state, TaskState::Ready);
    assert_eq!(gated.begun.get(), 1);
    assert!(rig.queue.lost(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn after_the_grace_time_async_runs_are_dropped_and_handed_back() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (gated, handler) = Gated::new();
    let worker = rig.worker().grace(Duration::from_millis(50)).handler("f", handler).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(1).await;
    handle.stop();
    soon(running).await.unwrap().unwrap();

    assert_eq!(gated.dropped.get(), 1);
    let task = rig.task(id).await;
    assert_eq!((task.state, task.attempt), (TaskState::Ready, 0));
    assert_eq!(rig.kinds(id).await, ["enqueued", "started", "released"]);
}

#[tokio::test]
async fn a_stop_in_haste_waits_for_no_grace_time() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (gated, handler) = Gated::new();
    let worker = rig.worker().grace(100 * PATIENCE).handler("f", handler).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(1).await;
    handle.stop();
    handle.stop_now();
    handle.stop();
    soon(running).await.unwrap().unwrap();
    assert_eq!(gated.dropped.get(), 1);
    assert_eq!(rig.task(id).await.state, TaskState::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_run_that_does_not_hear_is_left_to_the_lease() {
    let rig = Rig::new();
    let (deaf, hearing) = (rig.add(task("deaf")).await, rig.add(task("hearing")).await);
    let begun = Counter::default();
    let (d, h) = (begun.clone(), begun.clone());
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let worker = rig
        .worker()
        .grace(Duration::ZERO)
        .lease(Duration::from_millis(500))
        .register_blocking("deaf", move |(): (), _| {
            d.add();
            let _ = gate.lock().unwrap().recv();
            Ok::<_, Failure>(())
        })
        .register_blocking("hearing", move |(): (), context: Context| {
            h.add();
            while !context.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(context.stop_reason(), Some(StopReason::Shutdown));
            Err::<(), _>(Failure::error("stopped", "before the end"))
        });
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    begun.reaches(2).await;
    handle.stop();
    soon(running).await.unwrap().unwrap();

    let handed_back = rig.task(hearing).await;
    assert_eq!((handed_back.state, handed_back.attempt), (TaskState::Ready, 0));
    assert_eq!(rig.task(deaf).await.state, TaskState::Running, "no other run may begin yet");
    until("the lease ends", || async { !rig.queue.lost(10).await.unwrap().is_empty() }).await;
    drop(open);
}

/// Issue 12, D1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_heeds_no_stop_is_handed_back_where_the_process_ends() {
    let rig = Rig::new();
    let id = rig.add(task("deaf")).await;
    let begun = Counter::default();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let count = begun.clone();
    let worker =
        rig.worker().grace(Duration::ZERO).ends_process(true).register_blocking("deaf", move |(): (), _| {
            count.add();
            let _ = gate.lock().unwrap().recv();
            Ok::<_, Failure>(())
        });
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    begun.reaches(1).await;
    assert_eq!(handle.left(), 0);
    handle.stop();
    soon(running).await.unwrap().unwrap();
    assert_eq!(handle.left(), 1);
    let handed_back = rig.task(id).await;
    assert_eq!((handed_back.state, handed_back.attempt), (TaskState::Ready, 0));
    assert_eq!(rig.kinds(id).await, ["enqueued", "started", "released"]);
    drop(open);
}

#[tokio::test]
async fn a_worker_whose_future_is_dropped_stops_its_runs_and_leaves_them_to_the_lease() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (gated, handler) = Gated::new();
    let worker = rig.worker().lease(Duration::from_millis(300)).handler("f", handler).build().unwrap();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(1).await;
    running.abort();
    gated.dropped.reaches(1).await;
    assert_eq!(rig.task(id).await.state, TaskState::Running);
    until("the lease ends", || async { !rig.queue.lost(10).await.unwrap().is_empty() }).await;
}
