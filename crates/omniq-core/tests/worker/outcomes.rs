//! The answers of handlers, and what becomes of the task.

use std::time::Duration;

use omniq_core::*;

use crate::support::*;

async fn run(rig: &Rig, func: &str, handler: Handler) {
    let worker = rig.worker().handler(func, handler).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
}

fn failing(runs: &Counter, failure: impl Fn() -> Failure + Send + Sync + 'static) -> Handler {
    let runs = runs.clone();
    Handler::new(move |(): (), _| {
        runs.add();
        let failure = failure();
        async move { Err::<(), _>(failure) }
    })
}

#[tokio::test]
async fn a_failing_task_runs_once_and_as_often_as_it_may_be_retried() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(3).backoff(at_once())).await;
    let runs = Counter::default();
    run(&rig, "f", failing(&runs, || std::io::Error::other("no luck").into())).await;

    assert_eq!(runs.get(), 4);
    let dead = rig.task(id).await;
    assert_eq!((dead.state, dead.attempt), (TaskState::Dead, 4));
    let result = rig.result(id).await;
    assert_eq!((result.status, result.attempt), (ResultStatus::Failed, 4));
    let error = result.error.unwrap();
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("std::io::error::Error", "no luck"));
    assert_eq!(dead.error, Some(error));
    let kinds = rig.kinds(id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "retried").count(), 3);
    assert_eq!(kinds.last().unwrap(), "failed");
}

#[tokio::test]
async fn a_retry_waits_for_its_backoff() {
    let rig = Rig::new();
    let id = rig.add(task("f").backoff(Backoff::fixed(Duration::from_secs(500)))).await;
    let runs = Counter::default();
    run(&rig, "f", failing(&runs, || Failure::error("bad", "luck"))).await;

    assert_eq!(runs.get(), 1);
    let later = rig.task(id).await;
    assert_eq!((later.state, later.attempt), (TaskState::Scheduled, 1));
    let wait = later.run_at.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((400..=500).contains(&wait), "{wait}");
    assert!(rig.backend.result(id).await.unwrap().is_none());
}

/// Issue 14, number 4.
#[tokio::test]
async fn a_failure_with_its_own_delay_counts_and_keeps_its_error() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(1)).await;
    let runs = Counter::default();
    let wait = Duration::from_secs(50);
    let busy = move || Failure::from(std::io::Error::other("busy")).delay(wait).message("too busy");
    run(&rig, "f", failing(&runs, busy)).await;
    let later = rig.task(id).await;
    assert_eq!((later.state, later.attempt), (TaskState::Scheduled, 1));
    let seconds = later.run_at.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((40..=50).contains(&seconds), "{seconds}");
    let error = later.error.unwrap();
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("std::io::error::Error", "too busy"));
    rig.backend.queue().retry(id).await.unwrap();
    run(&rig, "f", failing(&runs, busy)).await;
    assert_eq!((runs.get(), rig.task(id).await.state), (2, TaskState::Dead));
    // A wait that no storage accepts is an error of the handler; what is no retry has no wait.
    assert_eq!(Failure::error("a", "b").delay(Duration::MAX), Failure::retry_in(Duration::MAX));
    assert_eq!(Failure::fatal("a", "b").delay(wait), Failure::fatal("a", "b"));
}

/// Issue 12, E4.
#[tokio::test]
async fn a_retry_with_a_wait_of_its_own_counts_as_any_other() {
    for make in [
        || Failure::retry_in(Duration::ZERO),
        || Failure::retry_in(Duration::ZERO).message("not yet"),
        || Failure::error("retry", "not yet"),
    ] {
        let rig = Rig::new();
        let id = rig.add(task("f").max_retries(1).backoff(at_once())).await;
        let runs = Counter::default();
        run(&rig, "f", failing(&runs, make)).await;
        assert_eq!((runs.get(), rig.task(id).await.state), (2, TaskState::Dead));
        let result = rig.result(id).await;
        assert_eq!((result.status, result.attempt), (ResultStatus::Failed, 2));
        assert_eq!(result.error.unwrap().kind, "retry");
        assert_eq!(rig.kinds(id).await, ["enqueued", "started", "retried", "started", "failed"]);
    }
}

/// Issue 12, E4.
#[tokio::test]
async fn a_task_that_circles_without_a_pause_is_slowed() {
    for make in [|| Failure::retry_in(Duration::ZERO).unlimited(), || Failure::snooze(Duration::ZERO)] {
        let rig = Rig::new();
        rig.add(task("f").max_retries(0)).await;
        let runs = Counter::default();
        let worker = rig.worker().handler("f", failing(&runs, make)).build().unwrap();
        let handle = worker.handle();
        let running = tokio::spawn(worker.run());
        runs.reaches(11).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(runs.get() < 16, "{} runs", runs.get());
        handle.stop();
        soon(running).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_unlimited_retry_comes_whatever_the_retries_say() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0).backoff(at_once())).await;
    let runs = Counter::default();
    let counter = runs.clone();
    let handler = Handler::new(move |(): (), context: Context| {
        counter.add();
        async move {
            match context.attempt() {
                1 => return Err(Failure::retry_in(Duration::ZERO).unlimited().message("not yet")),
                2 => return Err(Failure::error("not", "yet").unlimited()),
                _ => {}
            }
            Ok(context.attempt())
        }
    });
    run(&rig, "f", handler).await;
    assert_eq!(runs.get(), 3);
    assert_eq!(rig.result(id).await.value.unwrap().decode::<u32>().unwrap(), 3);
}

#[tokio::test]
async fn a_snooze_counts_no_attempt() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0)).await;
    let runs = Counter::default();
    let counter = runs.clone();
    let handler = Handler::blocking(move |(): (), context: Context| {
        assert_eq!(context.attempt(), 1);
        if counter.add() < 3 { Err(Failure::snooze(Duration::ZERO)) } else { Ok(()) }
    });
    run(&rig, "f", handler).await;
    assert_eq!(runs.get(), 3);
    let result = rig.result(id).await;
    assert_eq!((result.status, result.attempt), (ResultStatus::Completed, 1));
    assert_eq!(rig.kinds(id).await.iter().filter(|kind| *kind == "snoozed").count(), 2);
}

#[tokio::test]
async fn a_discarded_task_is_gone_with_its_reason_in_the_result() {
    let rig = Rig::new();
    let id = rig.add(task("f")).await;
    let runs = Counter::default();
    run(&rig, "f", failing(&runs, || Failure::discard("out of date"))).await;
    assert_eq!((runs.get(), rig.left().await), (1, 0));
    let result = rig.result(id).await;
    assert_eq!(result.status, ResultStatus::Discarded);
    assert_eq!(result.error.unwrap().message, "out of date");
}

#[tokio::test]
async fn what_no_retry_can_mend_is_dead_at_once() {
    let rig = Rig::new();
    let fatal = rig.add(task("f")).await;
    let runs = Counter::default();
    run(&rig, "f", failing(&runs, || Failure::fatal("hopeless", "no such account"))).await;
    assert_eq!(runs.get(), 1);
    assert_eq!(rig.task(fatal).await.state, TaskState::Dead);

    let misfit = rig.add(NewTask::new("g", "seven").unwrap()).await;
    let counter = runs.clone();
    let handler = Handler::new(move |_: u32, _| {
        counter.add();
        async { Ok::<_, Failure>(()) }
    });
    run(&rig, "g", handler).await;
    assert_eq!(runs.get(), 1, "the handler must not be called");
    assert_eq!(rig.result(misfit).await.error.unwrap().kind, "bad_arguments");
    assert_eq!(rig.task(misfit).await.attempt, 1);

    let unwritable = rig.add(task("h")).await;
    let handler =
        Handler::new(|(): (), _| async { Ok::<_, Failure>(std::collections::HashMap::from([((1, 2), 3)])) });
    run(&rig, "h", handler).await;
    assert_eq!(rig.result(unwritable).await.error.unwrap().kind, "bad_result");
}

#[tokio::test]
async fn a_delay_that_no_storage_takes_is_an_error_of_the_handler() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0)).await;
    run(&rig, "f", failing(&Counter::default(), || Failure::snooze(Duration::MAX))).await;
    assert_eq!(rig.result(id).await.error.unwrap().kind, "bad_delay");
}

#[tokio::test]
async fn handlers_can_enqueue_and_log_events() {
    let rig = Rig::new();
    let first = rig.add(task("first")).await;
    let worker = rig
        .worker()
        .register("first", |(): (), context: Context| async move {
            let data = serde_json::Map::from_iter([("percent".to_owned(), 50.into())]);
            context.log_event("progress", data)?;
            assert!(context.log_event("", Default::default()).unwrap_err().is_invalid());
            let own = context.log_event("completed", Default::default()).unwrap_err();
            assert!(own.is_invalid() && own.message().contains("completed"), "{own}");
            Ok::<_, Failure>(context.enqueue(task("second")).await?)
        })
        .register_blocking("second", |(): (), context| Ok(context.enqueue_sync(task("third"))?))
        .register("third", |(): (), _| async { Ok::<_, Failure>("end") });
    worker.build().unwrap().run_until_idle().await.unwrap();

    assert_eq!(rig.kinds(first).await, ["enqueued", "started", "progress", "completed"]);
    let second: TaskId = rig.result(first).await.value.unwrap().decode().unwrap();
    let third: TaskId = rig.result(second).await.value.unwrap().decode().unwrap();
    assert_eq!(rig.result(third).await.value.unwrap().decode::<String>().unwrap(), "end");
}

/// Issue 12, E4: an idle worker that receives no notification claims when a task is due that its own run postponed.
#[tokio::test]
async fn a_short_wait_is_kept_by_the_worker_that_put_the_task_off() {
    for make in [Failure::retry_in as fn(Duration) -> Failure, Failure::snooze] {
        let rig = Rig::new();
        rig.queue.deafen();
        let id = rig.add(task("f").max_retries(9)).await;
        let runs = Counter::default();
        let counter = runs.clone();
        let handler = Handler::new(move |(): (), _| {
            let run = counter.add() as u64;
            async move { if run < 6 { Err(make(Duration::from_millis(60 * run))) } else { Ok(()) } }
        });
        let worker = rig.worker().poll(100 * PATIENCE).handler("f", handler).build().unwrap();
        let handle = worker.handle();
        let running = tokio::spawn(worker.run());
        assert_eq!(rig.result(id).await.status, ResultStatus::Completed);
        handle.stop();
        soon(running).await.unwrap().unwrap();
    }
}

/// The result of a dead letter is not returned any more once it is retried.
#[tokio::test]
async fn a_wait_for_a_retried_dead_letter_gets_the_new_result() {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0)).await;
    run(&rig, "f", failing(&Counter::default(), || Failure::error("bad", "luck"))).await;
    assert_eq!(rig.backend.wait(id, PATIENCE).await.unwrap().status, ResultStatus::Failed);

    rig.queue.retry(id).await.unwrap();
    assert_eq!(rig.backend.result(id).await.unwrap(), None);
    let short = Duration::from_millis(50);
    assert!(rig.backend.wait(id, short).await.unwrap_err().is_timeout());
    let (backend, worker) = (rig.backend.clone(), rig.worker());
    let waiting = tokio::spawn(async move { backend.wait(id, PATIENCE).await });
    let worker =
        worker.handler("f", Handler::new(|(): (), _| async { Ok::<_, Failure>(7) })).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    let result = waiting.await.unwrap().unwrap();
    assert_eq!((result.status, result.value.unwrap().decode::<i64>().unwrap()), (ResultStatus::Completed, 7));
}
