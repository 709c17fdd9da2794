//! Tasks that users cancel: waiting, prefetched by a worker, and running.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;

use crate::support::*;

/// The heartbeat, which reports cancels, is sent three times in it.
const LEASE: Duration = Duration::from_millis(600);

#[tokio::test]
async fn a_waiting_task_gets_a_cancelled_result() {
    let rig = Rig::new();
    let (ready, later) = (rig.add(task("f").queue("q")).await, rig.add(task("f").delay(PATIENCE)).await);
    let unknown = TaskId::new();
    let answers = rig.backend.cancel_many(&[ready, unknown, later]).await.unwrap();
    assert_eq!(answers, [Cancelled::Done, Cancelled::NotFound, Cancelled::Done]);
    assert_eq!(rig.left().await, 0);
    let result = rig.result(ready).await;
    assert_eq!((result.status, result.queue.as_str()), (ResultStatus::Cancelled, "q"));
    assert_eq!(rig.kinds(later).await, ["enqueued", "cancelled"]);
    assert_eq!(rig.backend.result(unknown).await.unwrap(), None);
}

#[tokio::test]
async fn a_dead_letter_is_not_withdrawn_and_keeps_its_result() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0)).await;
    let worker = rig.worker().register("f", |(): (), _| async { Err::<(), _>(Failure::error("a", "b")) });
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    assert_eq!(rig.backend.cancel(id).await.unwrap(), Cancelled::NotFound);
    assert_eq!(rig.result(id).await.status, ResultStatus::Failed);
}

#[tokio::test]
async fn a_running_async_handler_is_dropped_and_booked_cancelled() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (begun, dropped) = (Counter::default(), Counter::default());
    let (b, d) = (begun.clone(), dropped.clone());
    let worker = rig.worker().lease(LEASE).register("f", move |(): (), _| {
        let guard = OnDrop(d.clone());
        b.add();
        async move {
            let _guard = guard;
            std::future::pending::<Result<(), Failure>>().await
        }
    });
    let running = tokio::spawn(worker.build().unwrap().run_until_idle());
    begun.reaches(1).await;
    assert_eq!(rig.backend.cancel(id).await.unwrap(), Cancelled::Requested);
    soon(running).await.unwrap().unwrap();
    assert_eq!((dropped.get(), begun.get()), (1, 1));
    assert_eq!(rig.result(id).await.status, ResultStatus::Cancelled);
    assert_eq!(rig.left().await, 0);
}

#[tokio::test]
async fn a_running_blocking_handler_is_signalled_and_settled_as_cancelled_when_it_returns() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let begun = Counter::default();
    let counter = begun.clone();
    let worker = rig.worker().lease(LEASE).register_blocking("f", move |(): (), context: Context| {
        counter.add();
        while !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(context.stop_reason(), Some(StopReason::Cancelled));
        Ok::<_, Failure>("done all the same")
    });
    let running = tokio::spawn(worker.build().unwrap().run_until_idle());
    begun.reaches(1).await;
    rig.backend.cancel(id).await.unwrap();
    soon(running).await.unwrap().unwrap();
    let result = rig.result(id).await;
    assert_eq!((result.status, result.value), (ResultStatus::Cancelled, None));
}

#[tokio::test]
async fn what_a_handler_has_spawned_hears_of_the_cancel() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (begun, heard) = (Counter::default(), Counter::default());
    let (b, h) = (begun.clone(), heard.clone());
    let worker = rig.worker().lease(LEASE).register("f", move |(): (), context: Context| {
        let heard = h.clone();
        tokio::spawn(async move {
            assert_eq!(context.cancelled().await, StopReason::Cancelled);
            heard.add();
        });
        b.add();
        std::future::pending::<Result<(), Failure>>()
    });
    let running = tokio::spawn(worker.build().unwrap().run_until_idle());
    begun.reaches(1).await;
    rig.backend.cancel(id).await.unwrap();
    heard.reaches(1).await;
    soon(running).await.unwrap().unwrap();
}

/// An error that means that nothing was done, as that of a pool does, is not returned when a part was done.
#[tokio::test]
async fn a_bulk_cancel_that_fails_half_way_says_so() {
    let rig = Rig::new();
    let ids = [rig.add(task("f").priority(1)).await, rig.add(task("f")).await];
    rig.queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    rig.queue.fail("cancel_many", 1, |text| Error::pool_timeout(text));
    let error = rig.backend.cancel_many(&ids).await.unwrap_err();
    assert!(error.is_unavailable() && !error.is_pool_timeout(), "{error:?}");
    assert!(error.message().contains("of 2 tasks 1 were cancelled"), "{error:?}");
    assert_eq!(rig.result(ids[1]).await.status, ResultStatus::Cancelled);

    rig.queue.fail("get", 1, |text| Error::pool_timeout(text));
    let error = rig.backend.cancel_many(&ids).await.unwrap_err();
    assert!(error.is_pool_timeout(), "nothing was done by this call: {error:?}");
}

/// A worker whose runs wait for their gate, and then answer "once more".
fn snoozing(rig: &Rig, lease: Duration, gated: &Gated) -> WorkerBuilder {
    let (begun, gate) = (gated.begun.clone(), gated.gate.clone());
    rig.worker().lease(lease).register("f", move |(): (), _| {
        begun.add();
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Err::<(), _>(Failure::snooze(100 * PATIENCE))
        }
    })
}

/// The run answers "once more" before its worker's heartbeat has told it of the cancel.
#[tokio::test]
async fn a_task_that_is_handed_back_before_the_cancel_is_told_is_cancelled_all_the_same() {
    let rig = Rig::new();
    let (cancelled, kept) = (rig.add(task("f")).await, rig.add(task("f")).await);
    let (gated, _) = Gated::new();
    let worker = snoozing(&rig, LEASE, &gated).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(2).await;
    assert_eq!(rig.backend.cancel(cancelled).await.unwrap(), Cancelled::Requested);
    gated.gate.add_permits(2);
    assert_eq!(rig.result(cancelled).await.status, ResultStatus::Cancelled);
    assert_eq!(rig.task(kept).await.state, TaskState::Scheduled);
    assert_eq!(rig.left().await, 1);
    handle.stop();
    soon(running).await.unwrap().unwrap();
}

/// No heartbeat tells of the cancel, because the worker stops before.
#[tokio::test]
async fn a_worker_that_stops_cancels_what_it_hands_back() {
    let rig = Rig::new();
    let (cancelled, kept) = (rig.add(task("f")).await, rig.add(task("f")).await);
    let (gated, handler) = Gated::new();
    let worker = rig.worker().lease(100 * PATIENCE).grace(Duration::ZERO).handler("f", handler);
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(2).await;
    assert_eq!(rig.backend.cancel(cancelled).await.unwrap(), Cancelled::Requested);
    handle.stop();
    soon(running).await.unwrap().unwrap();
    assert_eq!(rig.result(cancelled).await.status, ResultStatus::Cancelled);
    assert_eq!(rig.task(kept).await.state, TaskState::Ready);
    assert_eq!(rig.left().await, 1);
}

/// A cancel of an earlier life does not count for a task that was enqueued anew with the same id.
#[tokio::test]
async fn a_task_that_is_enqueued_anew_with_the_id_of_a_cancelled_one_runs() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (gated, _) = Gated::new();
    let worker = snoozing(&rig, 100 * PATIENCE, &gated).grace(Duration::ZERO).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    gated.begun.reaches(1).await;
    assert_eq!(rig.backend.cancel(id).await.unwrap(), Cancelled::Requested);
    gated.gate.add_permits(1);
    until("the task waits", || async { rig.task(id).await.state == TaskState::Scheduled }).await;
    rig.queue.delete(id).await.unwrap();
    rig.backend.enqueue(task("f").id(id).delay(100 * PATIENCE)).await.unwrap();
    handle.stop();
    soon(running).await.unwrap().unwrap();
    assert_eq!(rig.task(id).await.state, TaskState::Scheduled);
    assert_eq!(rig.backend.result(id).await.unwrap(), None);
}

/// Whether its heartbeat had told the worker of the cancel or not.
#[tokio::test]
async fn a_cancelled_task_whose_worker_is_lost_does_not_run_again() {
    for told in [false, true] {
        let rig = Rig::new();
        let (cancelled, kept) = (rig.add(task("f").priority(1)).await, rig.add(task("f")).await);
        let info = WorkerInfo { lease: Duration::from_millis(100), ..WorkerInfo::new(["default"]) };
        let gone = rig.queue.register_worker(&info).await.unwrap();
        assert_eq!(rig.queue.claim(gone, &Dequeue::from(["default"]).limit(2)).await.unwrap().len(), 2);
        assert_eq!(rig.backend.cancel(cancelled).await.unwrap(), Cancelled::Requested);
        if told {
            rig.queue.heartbeat_connection().heartbeat(gone, None).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(120)).await;
        let ran = Counter::default();
        let runs = ran.clone();
        let worker = rig.worker().maintenance_interval(Duration::from_millis(20));
        let worker = worker.register("f", move |(): (), _| {
            runs.add();
            async { Ok::<_, Failure>(()) }
        });
        let worker = worker.build().unwrap();
        let handle = worker.handle();
        let running = tokio::spawn(worker.run());
        assert_eq!(rig.result(cancelled).await.status, ResultStatus::Cancelled);
        assert_eq!(rig.result(kept).await.status, ResultStatus::Completed);
        handle.stop();
        soon(running).await.unwrap().unwrap();
        assert_eq!(ran.get(), 1);
    }
}

/// Found by a hostile reader: the rescue did not look again, and the task ran again.
#[tokio::test]
async fn a_cancel_of_a_task_whose_worker_was_declared_lost_leaves_its_records() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let info = WorkerInfo { lease: Duration::from_millis(100), ..WorkerInfo::new(["default"]) };
    let gone = rig.queue.register_worker(&info).await.unwrap();
    assert_eq!(rig.queue.claim(gone, &Dequeue::from(["default"])).await.unwrap().len(), 1);
    tokio::time::sleep(Duration::from_millis(120)).await;
    let lost = rig.queue.lost(10).await.unwrap().pop().unwrap();
    assert!(!lost.cancelled);
    let backend = Backend::new(Arc::new(rig.queue.inner.clone()))
        .with_results(Arc::clone(&rig.results) as Arc<dyn ResultStorage>)
        .with_events(Arc::clone(&rig.events) as Arc<dyn EventStorage>);
    assert_eq!(backend.cancel(id).await.unwrap(), Cancelled::Done);
    assert_eq!(rig.result(id).await.status, ResultStatus::Cancelled);
    assert_eq!(rig.kinds(id).await, ["enqueued", "cancelled"]);
    let outcome = Outcome::RetryLater { delay: Duration::ZERO, error: None };
    let rescue = Settlement::new(id, lost.task.claim, outcome);
    assert_eq!(rig.queue.settle(&[rescue], SettleMode::Each).await.unwrap(), [Settled::Lost]);
    assert_eq!(rig.left().await, 0);
}

/// Found by a hostile reader: heartbeats repeated the cancel until the worker held no task with this id.
#[tokio::test]
async fn a_run_is_not_stopped_by_the_cancel_of_an_earlier_task_with_its_id() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let (begun, (gated, handler)) = (Counter::default(), Gated::new());
    let counter = begun.clone();
    let worker = rig.worker().lease(LEASE / 2).handler("g", handler).register("f", move |(): (), _| {
        counter.add();
        std::future::pending::<Result<(), Failure>>()
    });
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    begun.reaches(1).await;
    assert_eq!(rig.backend.cancel(id).await.unwrap(), Cancelled::Requested);
    assert_eq!(rig.result(id).await.status, ResultStatus::Cancelled);
    rig.results.delete(id).await.unwrap();
    rig.add(task("g").id(id)).await;
    gated.begun.reaches(1).await;
    // Two heartbeats.
    tokio::time::sleep(LEASE * 2 / 5).await;
    gated.gate.add_permits(1);
    assert_eq!(rig.result(id).await.status, ResultStatus::Completed);
    handle.stop();
    soon(running).await.unwrap().unwrap();
}

/// A program that takes tasks without a worker learns that one of them is to be stopped, and that it is not held any more.
#[tokio::test]
async fn who_dequeues_a_task_can_ask_whether_it_was_cancelled() {
    let queue = MemoryQueue::new().with_lease(Duration::from_millis(150));
    let id = queue.enqueue(task("f")).await.unwrap();
    let kept = queue.enqueue(task("f")).await.unwrap();
    let held = queue.dequeue_many(Dequeue::from(["default"]).limit(2)).await.unwrap();
    assert!(!queue.cancel_requested(&held[0]).await.unwrap());
    assert_eq!(queue.cancel(id).await.unwrap(), Cancelled::Requested);
    until("it is told", || async { queue.cancel_requested(&held[0]).await.unwrap() }).await;
    assert!(!queue.cancel_requested(&held[1]).await.unwrap());
    queue.discard(&held[0]).await.unwrap();

    // The cancel does not count for a task that is enqueued anew with the same id, once a heartbeat knows that the first has gone.
    tokio::time::sleep(Duration::from_millis(150)).await;
    queue.enqueue(task("f").id(id)).await.unwrap();
    let again = queue.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    assert!(again.id == id && !queue.cancel_requested(&again).await.unwrap());

    let other = queue.reopen(Limits::default(), false);
    assert!(
        other.cancel_requested(&held[1]).await.unwrap_err().is_claim_lost(),
        "another object holds {kept}"
    );
    let waiting = queue.get(queue.enqueue(task("f")).await.unwrap()).await.unwrap().unwrap();
    assert!(queue.cancel_requested(&waiting).await.unwrap_err().is_claim_lost(), "nobody holds it");
    queue.close().await.unwrap();
    assert!(queue.cancel_requested(&held[1]).await.unwrap_err().is_closed());
}
