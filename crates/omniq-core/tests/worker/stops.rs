//! The end of a worker: gracefully, in haste, and by being dropped.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;
use tokio::sync::Semaphore;

use crate::support::*;

/// Runs that go on until the gate opens.
struct Gated {
    begun: Counter,
    dropped: Counter,
    gate: Arc<Semaphore>,
}

impl Gated {
    fn new() -> (Self, Handler) {
        let this = Self {
            begun: Counter::default(),
            dropped: Counter::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        let (begun, dropped, gate) = (this.begun.clone(), this.dropped.clone(), Arc::clone(&this.gate));
        let handler = Handler::new(move |(): (), _| {
            let (guard, gate) = (OnDrop(dropped.clone()), Arc::clone(&gate));
            begun.add();
            async move {
                gate.acquire().await?.forget();
                drop(guard);
                Ok::<_, Failure>(())
            }
        });
        (this, handler)
    }
}

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
async fn what_was_claimed_and_not_begun_is_handed_back_uncounted() {
    let rig = Rig::new();
    let begun = Counter::default();
    let counter = begun.clone();
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let worker = rig.worker().concurrency(1).register("f", move |slow: bool, _| {
        let (counter, gate) = (counter.clone(), Arc::clone(&closed));
        async move {
            if slow {
                counter.add();
                gate.acquire().await?.forget();
            }
            Ok::<_, Failure>(())
        }
    });
    let mut tasks = vec![NewTask::new("f", &false).unwrap(); 3000];
    tasks.extend(vec![NewTask::new("f", &true).unwrap(); 10]);
    let ids = rig.backend.enqueue_many(tasks).await.unwrap();
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    begun.reaches(1).await;
    assert!(rig.count(TaskState::Running).await > 1, "3000 fast runs must have led to a stock");
    handle.stop();
    until("the stock is handed back", || async { rig.count(TaskState::Running).await == 1 }).await;
    gate.add_permits(1);
    soon(running).await.unwrap().unwrap();

    assert_eq!(begun.get(), 1);
    assert_eq!(rig.left().await, 9);
    for id in &ids[3001..] {
        let task = rig.task(*id).await;
        assert_eq!((task.state, task.attempt), (TaskState::Ready, 0));
    }
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
    assert_eq!(rig.task(deaf).await.state, TaskState::Running, "nobody else may begin with it yet");
    until("the lease ends", || async { !rig.queue.lost(10).await.unwrap().is_empty() }).await;
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

#[tokio::test]
async fn a_shutdown_future_stops_it_and_an_idle_worker_stops_at_once() {
    let rig = Rig::new();
    let (gated, handler) = Gated::new();
    gated.gate.add_permits(1);
    let id = rig.add(task("f")).await;
    let worker = rig.worker().poll(PATIENCE * 10).handler("f", handler).build().unwrap();
    let results = Arc::clone(&rig.results);
    let shutdown = async move {
        results.wait(id, PATIENCE).await.unwrap();
    };
    soon(worker.run_until(shutdown)).await.unwrap();
    assert_eq!(rig.left().await, 0);
}

#[tokio::test]
async fn a_stop_before_the_start_is_heeded() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (gated, handler) = Gated::new();
    let worker = rig.worker().handler("f", handler).build().unwrap();
    worker.handle().stop();
    soon(worker.run()).await.unwrap();
    assert_eq!((gated.begun.get(), rig.task(id).await.state), (0, TaskState::Ready));
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_it_and_a_second_one_hurries_it() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (gated, handler) = Gated::new();
    let worker = rig.worker().grace(100 * PATIENCE).handler("f", handler).build().unwrap();
    let running = tokio::spawn(worker.run_with_signals());
    // The run shows that the listener, which comes before it, is there; without it the signal would end the tests.
    gated.begun.reaches(1).await;
    let signal = |name: &str| {
        let pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    };
    signal("TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!running.is_finished());
    assert_eq!(gated.dropped.get(), 0);
    signal("INT");
    soon(running).await.unwrap().unwrap();
    assert_eq!((gated.dropped.get(), rig.task(id).await.state), (1, TaskState::Ready));
}
