//! Workers that run and stop together, and a worker that stops by itself.

use std::time::Duration;

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

/// Found by a hostile reader: what ignored the stop was handed back while the others had their grace time, and ran twice at once.
#[tokio::test(start_paused = true)]
async fn what_heeds_no_stop_is_handed_back_when_the_whole_group_has_ended() {
    let (one, other) = (Rig::new(), Rig::new());
    let (begun, (gated, handler)) = (Counter::default(), Gated::new());
    let counter = begun.clone();
    let deaf = Handler::cooperative(move |_: Context| {
        counter.add();
        std::future::pending()
    });
    let (id, last) = (one.add(task("deaf")).await, other.add(task("f")).await);
    let group = Worker::group([
        one.worker().grace(Duration::ZERO).ends_process(true).handler("deaf", deaf).build().unwrap(),
        other.worker().grace(PATIENCE).ends_process(true).handler("f", handler).build().unwrap(),
    ]);
    let (handle, running) = (group.handle(), tokio::spawn(group.run()));
    begun.reaches(1).await;
    gated.begun.reaches(1).await;
    handle.stop();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(one.task(id).await.state, TaskState::Running, "nobody else may begin it");
    gated.gate.add_permits(1);
    soon(running).await.unwrap().unwrap();
    assert_eq!(one.task(id).await.state, TaskState::Ready);
    assert_eq!(other.result(last).await.status, ResultStatus::Completed);
    assert_eq!(handle.left(), 1);
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
