//! `testing`: a paused clock, `drain`, what is enqueued, contexts without a worker.

use std::time::{Duration, Instant};

use jiff::ToSpan;
use omniq_core::testing::{Drained, TestBackend, TestRun};
use omniq_core::*;

const HOUR: Duration = Duration::from_secs(3600);

async fn add(backend: &TestBackend, task: NewTask) -> TaskId {
    backend.enqueue(task).await.unwrap()
}

fn task(func: &str) -> NewTask {
    NewTask::new(func, &()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_delays_and_retries_by_the_paused_clock() {
    let (backend, real) = (TestBackend::new(), Instant::now());
    let id = add(&backend, task("flaky").delay(24 * HOUR).max_retries(2).backoff(Backoff::fixed(HOUR))).await;
    add(&backend, task("slow").timeout(2 * HOUR)).await;
    add(&backend, task("late").timeout(HOUR).max_retries(0)).await;
    add(&backend, task("unknown")).await;
    let late = async |_: (), _: Context| {
        tokio::time::sleep(HOUR + Duration::from_secs(1)).await;
        Ok(())
    };
    let worker = Worker::builder(&backend)
        .register("slow", late)
        .register("late", late)
        .register("flaky", |_: (), task| async move {
            if task.attempt() < 3 { Err(Failure::error("flaky", "not yet")) } else { Ok(task.attempt()) }
        })
        .build()
        .unwrap();
    let drained = backend.drain(worker).await.unwrap();
    assert_eq!((drained.completed, drained.retried, drained.failed), (2, 2, 1), "{drained:?}");
    assert_eq!(backend.enqueued("unknown").len(), 1, "left alone");
    let result = backend.result(id).await.unwrap().unwrap();
    let took = result.finished_at.duration_since(result.enqueued_at.unwrap());
    assert!(took >= 26.hours().to_duration(jiff::SpanRelativeTo::days_are_24_hours()).unwrap(), "{took:?}");
    assert!(result.started_at.unwrap() <= result.finished_at);
    assert!(real.elapsed() < Duration::from_secs(20));
}

/// What is due at the end of an advance is due, not a moment later; nothing is due before.
#[tokio::test(start_paused = true)]
async fn an_advance_is_exact() {
    let backend = TestBackend::new();
    let (before, start) = (backend.now(), tokio::time::Instant::now());
    add(&backend, task("f").delay(HOUR)).await;
    add(&backend, task("f").run_at(before + 2.hours())).await;
    let claim = || backend.queue().dequeue(Dequeue::from(["default"]));
    tokio::time::advance(HOUR - Duration::from_millis(1)).await;
    assert!(claim().await.unwrap().is_none());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(claim().await.unwrap().is_some());
    tokio::time::advance(HOUR).await;
    assert!(claim().await.unwrap().is_some());
    assert_eq!(backend.now().duration_since(before), start.elapsed().try_into().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_waits_for_what_is_due_soon_if_asked() {
    let backend = TestBackend::new();
    let worker = || {
        let counting = |_: (), task: Context| async move {
            if task.attempt() < 3 { Err(Failure::retry_in(HOUR)) } else { Ok(()) }
        };
        Worker::builder(&backend).register("f", counting).build().unwrap()
    };
    let id = add(&backend, task("f")).await;
    add(&backend, task("f").queue("elsewhere").delay(Duration::from_secs(1))).await;
    let attempt = async || backend.queue().get(id).await.unwrap().map(|task| task.attempt);

    worker().run_until_idle().await.unwrap();
    assert_eq!(attempt().await, Some(1));
    let start = tokio::time::Instant::now();
    worker().run_until_idle_within(HOUR / 2).await.unwrap();
    assert_eq!((attempt().await, start.elapsed()), (Some(1), Duration::ZERO), "the retry is due too late");
    worker().run_until_idle_within(HOUR).await.unwrap();
    assert_eq!(attempt().await, None, "each retry is due within an hour");
}

#[tokio::test]
async fn assertions_say_what_is_enqueued() {
    let backend = TestBackend::new();
    backend.assert_nothing_enqueued();
    add(&backend, NewTask::new("mail", &("ann", 1)).unwrap()).await;
    add(
        &backend,
        NewTask::with_payload("mail", Payload::msgpack(&("bob", 2)).unwrap()).queue("slow").delay(HOUR),
    )
    .await;
    assert_eq!(backend.assert_enqueued("mail").queue, "slow");
    assert_eq!(backend.assert_enqueued_with("mail", &("ann", 1)).queue, "default");
    assert_eq!(backend.assert_enqueued_with("mail", &("bob", 2)).queue, "slow");
    backend.assert_not_enqueued("call");

    let words = |act: &dyn Fn()| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_err();
        *panic.downcast::<String>().unwrap()
    };
    let missing = words(&|| drop(backend.assert_enqueued_with("mail", &("ann", 2))));
    assert!(missing.starts_with("no task of \"mail\" is enqueued with [\"ann\",2]; these are:"), "{missing}");
    assert!(missing.contains("\"mail\" on \"slow\" with [\"bob\",2]"), "{missing}");
    words(&|| drop(backend.assert_enqueued("call")));
    words(&|| backend.assert_not_enqueued("mail"));
    words(&|| backend.assert_nothing_enqueued());

    let worker =
        Worker::builder(&backend).register("mail", async |_: (String, i32), _| Ok(())).build().unwrap();
    assert_eq!(backend.drain(worker).await.unwrap().completed, 1);
    backend.assert_enqueued("mail");
}

#[tokio::test]
async fn a_handler_is_called_without_a_worker() {
    let backend = TestBackend::new();
    let run = TestRun::of(task("f").timeout(HOUR).metadata("tenant", "acme")).attempt(4).state("Hello");
    let context = run.backend(&backend).context();
    assert_eq!((context.attempt(), context.may_retry(), context.worker()), (4, false, "test"));
    assert_eq!(context.state::<&str>(), Some(&"Hello"));
    assert_eq!(context.task().metadata["tenant"], "acme");
    assert!(context.deadline().is_some());
    context.enqueue(task("next")).await.unwrap();
    backend.assert_enqueued("next");

    context.log_event("halfway", serde_json::Map::new()).unwrap();
    let halfway = EventFilter { task_id: Some(context.id()), ..EventFilter::default() };
    while backend.events().unwrap().count(&halfway).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }

    let (waiting, token) = (context.clone(), context.cancellation_token());
    context.test_stop(StopReason::Shutdown);
    assert_eq!(waiting.cancelled().await, StopReason::Shutdown);
    assert!(token.is_cancelled());
    assert_eq!(
        backend
            .drain(Worker::builder(&backend).register("g", async |_: (), _| Ok(())).build().unwrap())
            .await
            .unwrap(),
        Drained::default()
    );
}

/// Blocking handlers are called outside of any runtime.
#[test]
fn a_context_needs_no_runtime() {
    let context = Context::test();
    assert_eq!(context.attempt(), 1);
    context.log_event("seen", serde_json::Map::new()).unwrap();
    context.enqueue_sync(task("next")).unwrap();
}
