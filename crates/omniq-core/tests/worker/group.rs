//! Workers that run and stop together, and a worker that stops by itself.

use omniq_core::*;

use crate::support::*;

#[tokio::test]
async fn a_group_runs_workers_on_several_backends_and_stops_all() {
    let (one, other) = (Rig::new(), Rig::new());
    let (gated, handler) = Gated::new();
    let workers = [&one, &other].map(|rig| rig.worker().handler("f", handler.clone()).build().unwrap());
    let ids = [one.add(task("f")).await, other.add(task("f")).await];
    let group = Worker::group(workers);
    let (handle, running) = (group.handle(), tokio::spawn(group.run()));
    gated.begun.reaches(2).await;
    handle.stop();
    gated.gate.add_permits(2);
    soon(running).await.unwrap().unwrap();
    for (rig, id) in [(&one, ids[0]), (&other, ids[1])] {
        assert_eq!(rig.result(id).await.status, ResultStatus::Completed);
        assert!(rig.queue.lost(10).await.unwrap().is_empty());
    }
    assert_eq!(handle.left(), 0);
}

#[tokio::test]
async fn a_group_stops_with_its_first_error() {
    let (one, other) = (Rig::new(), Rig::new());
    let (gated, handler) = Gated::new();
    let id = other.add(task("f")).await;
    let workers = [&one, &other].map(|rig| rig.worker().handler("f", handler.clone()).build().unwrap());
    let running = tokio::spawn(Worker::group(workers).run());
    gated.begun.reaches(1).await;
    one.queue.fail("claim", 1, |message| Error::permission_denied(message));
    one.add(task("f")).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!running.is_finished(), "the run of the other worker may end");
    gated.gate.add_permits(2);
    let error = soon(running).await.unwrap().unwrap_err();
    assert!(error.is_permission_denied(), "{error}");
    assert_eq!(other.result(id).await.status, ResultStatus::Completed);
    assert!(Worker::group([]).run().await.unwrap_err().is_config());
}

#[tokio::test]
async fn a_worker_stops_by_itself_after_as_many_runs_as_it_may() {
    let rig = Rig::new();
    for _ in 0..5 {
        rig.add(task("f")).await;
    }
    let builder = || rig.worker().concurrency(1).register("f", |(): (), _| async { Ok::<_, Failure>(()) });
    soon(builder().max_tasks(2).build().unwrap().run()).await.unwrap();
    assert_eq!((rig.left().await, rig.count(TaskState::Ready).await), (3, 3));
    assert!(builder().max_tasks(0).build().unwrap_err().is_invalid());
}
