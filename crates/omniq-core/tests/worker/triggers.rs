//! Triggers that stop a worker: a future, a signal, a stop before the start.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;

use crate::support::*;

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
    // The run shows that the listener, which is started before it, is there; without it the signal would end the tests.
    gated.begun.reaches(1).await;
    let signal = |name: &str| {
        let pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    };
    // Two that come together are one (issue 12, D1): `timeout` of coreutils sends two.
    let twice = format!("kill -s TERM {pid}; kill -s TERM {pid}", pid = std::process::id());
    assert!(std::process::Command::new("sh").args(["-c", &twice]).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!running.is_finished());
    assert_eq!(gated.dropped.get(), 0);
    signal("INT");
    soon(running).await.unwrap().unwrap();
    assert_eq!((gated.dropped.get(), rig.task(id).await.state), (1, TaskState::Ready));
}
