//! Settings of a worker: what is refused, and the cost of an idle worker.

use std::time::Duration;

use omniq_core::*;

use crate::support::*;

#[tokio::test]
async fn an_idle_worker_uses_one_subscription_and_polls_at_intervals() {
    let rig = Rig::new();
    let worker = rig.worker().register("f", |(): (), _| async { Ok::<_, Failure>(()) }).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    let calls = |verb: &str| rig.queue.calls.lock().unwrap().iter().filter(|call| *call == verb).count();
    until("it has looked some times", || async { calls("claim") >= 8 }).await;
    assert_eq!(calls("subscribe"), 1);
    let id = rig.add(task("f")).await;
    rig.result(id).await;
    handle.stop();
    soon(running).await.unwrap().unwrap();
}

#[test]
fn bad_settings_are_refused_by_name() {
    let rig = Rig::new();
    let worker = || rig.worker().register("f", |(): (), _| async { Ok::<_, Failure>(()) });
    assert!(worker().build().is_ok());
    assert!(rig.worker().build().unwrap_err().is_config());
    assert!(worker().concurrency(0).build().unwrap_err().message().contains("concurrency"));
    assert!(worker().queues(Vec::<String>::new()).build().unwrap_err().is_invalid());
    assert!(worker().lease(Duration::from_millis(1)).build().unwrap_err().message().contains("lease"));
    assert!(worker().poll(Duration::ZERO).build().unwrap_err().message().contains("poll"));
    let twice = worker().register_blocking("f", |(): (), _| Ok::<_, Failure>(()));
    assert!(twice.build().unwrap_err().message().contains("\"f\""));
}
