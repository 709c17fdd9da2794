//! Schedules of workers: those of their code, their ticks, and what a test with a paused clock sees of them.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;
use omniq_testkit::Log;

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn backend() -> Backend {
    Backend::new(Arc::new(MemoryQueue::new()))
        .with_results(Arc::new(MemoryResultStorage::new()))
        .with_events(Arc::new(MemoryEventStorage::new()))
}

fn every(name: &str, interval: Duration, func: &str) -> Schedule {
    Schedule::new(name, Timing::every(interval).unwrap(), task(func)).unwrap()
}

fn worker(backend: &Backend) -> WorkerBuilder {
    Worker::builder(backend.clone())
        .maintenance_interval(Duration::from_millis(50))
        .poll(Duration::from_millis(20))
        .register("tell", |(): (), context| async move {
            let notes = &context.task().metadata;
            assert_eq!(
                (context.schedule(), context.tick()),
                (notes["schedule"].as_str(), notes["tick"].as_str().unwrap().parse().ok())
            );
            Ok::<_, Failure>((notes["schedule"].clone(), notes["tick"].clone()))
        })
}

/// The ticks come by the clock, each enqueues one task with its event, and the latest result is found by the schedule's name.
#[tokio::test(start_paused = true)]
async fn c22_a_worker_carries_out_the_ticks_of_its_code() {
    let backend = backend();
    let worker =
        worker(&backend).app("shop").schedule(every("often", SECOND, "tell").max_runs(3)).build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    let schedules = backend.require_schedules().unwrap();
    until("the schedule is saved", async || schedules.get("often").await.unwrap().is_some()).await;
    let first = schedules.get("often").await.unwrap().unwrap();
    assert_eq!((first.app.as_deref(), backend.latest_result("often").await.unwrap()), (Some("shop"), None));
    until("it has run three times", async || schedules.get("often").await.unwrap().unwrap().runs == 3).await;
    let last = schedules.get("often").await.unwrap().unwrap();
    assert_eq!((last.next_at, last.last_at), (None, first.next_at.map(|next| next + 2 * SECOND)));
    let result = backend.wait(last.last_task.unwrap(), PATIENCE).await.unwrap();
    let value: (String, jiff::Timestamp) = result.value.as_ref().unwrap().decode().unwrap();
    assert_eq!(value, ("often".to_owned(), last.last_at.unwrap()));
    let latest = backend.latest_result("often").await.unwrap().unwrap();
    assert_eq!(latest.task_id, result.task_id);
    handle.stop();
    soon(running).await.unwrap().unwrap();
    let enqueued = EventFilter { kind: Some(EventKind::Enqueued), ..EventFilter::default() };
    let events = backend.require_events().unwrap().query(&enqueued).await.unwrap();
    let history = schedules.history("often", 10).await.unwrap();
    let mut ids: Vec<_> = history.iter().filter_map(|tick| tick.task_id).collect();
    ids.reverse();
    assert_eq!(events.iter().filter_map(|event| event.task_id).collect::<Vec<_>>(), ids);
}

/// What leaves the code is removed by the next worker of the application, and by no other.
#[tokio::test]
async fn c22_a_worker_removes_what_has_left_its_code() {
    let backend = backend();
    let schedules = backend.require_schedules().unwrap();
    schedules.save(every("own", HOUR, "tell")).await.unwrap();
    let names = async || {
        let listed = schedules.list(&ScheduleFilter::default()).await.unwrap();
        listed.into_iter().map(|saved| saved.schedule.name).collect::<Vec<_>>().join(" ")
    };
    let run = async |builder: WorkerBuilder| builder.build().unwrap().run_until_idle().await.unwrap();
    run(worker(&backend).app("shop").schedule(every("a", HOUR, "tell")).schedule(every("b", HOUR, "tell")))
        .await;
    run(worker(&backend).app("mail").schedule(every("m", HOUR, "tell"))).await;
    assert_eq!(names().await, "a b m own");
    run(worker(&backend)).await;
    assert_eq!(names().await, "a b m own", "a worker of no application");
    run(worker(&backend).app("shop").schedule(every("b", HOUR, "tell"))).await;
    assert_eq!(names().await, "b m own");
    run(worker(&backend).app("shop")).await;
    assert_eq!(names().await, "m own");
}

/// The application's name is that of the program, unless it is given.
#[tokio::test]
async fn c22_the_application_is_named_by_its_program() {
    let backend = backend();
    let worker = worker(&backend).schedule(every("a", HOUR, "tell")).build().unwrap();
    worker.run_until_idle().await.unwrap();
    let saved = backend.require_schedules().unwrap().get("a").await.unwrap().unwrap();
    let program = std::env::current_exe().unwrap();
    assert_eq!(saved.app.as_deref(), program.file_stem().and_then(|stem| stem.to_str()));
}

#[tokio::test]
async fn c22_bad_schedules_of_code_are_refused_by_the_build_or_the_start() {
    let backend = backend();
    let schedules = backend.require_schedules().unwrap();
    schedules.save(every("taken", HOUR, "tell")).await.unwrap();
    let twice = worker(&backend).schedule(every("a", HOUR, "tell")).schedule(every("a", HOUR, "tell"));
    assert!(twice.build().unwrap_err().message().contains("two schedules"));
    let bad = worker(&backend).schedule(every("a", HOUR, "tell").max_runs(0));
    assert!(bad.build().unwrap_err().message().contains("max_runs"));
    assert!(worker(&backend).app("").build().unwrap_err().message().contains("application name"));
    let taken = worker(&backend).app("shop").schedule(every("taken", HOUR, "tell")).build().unwrap();
    let error = soon(taken.run()).await.unwrap_err();
    assert!(error.is_conflict() && error.message().contains("\"taken\""), "{error:?}");
    assert_eq!(backend.queue().workers().await.unwrap(), []);
    let none = Backend::new(Rig::new().queue);
    let error = worker(&none).schedule(every("a", HOUR, "tell")).build().unwrap_err();
    assert!(error.is_config() && error.message().contains("no schedules"), "{error:?}");
    assert!(none.latest_result("a").await.unwrap_err().is_config());
}

/// The callbacks of the backend are those of scheduled tasks, too.
#[tokio::test(start_paused = true)]
async fn c22_callbacks_of_the_backend_count_for_the_tasks_of_its_schedules() {
    let backend = backend().with_callback(Callback::new([EndKind::Success], "after"));
    let worker = worker(&backend)
        .app("shop")
        .schedule(every("once", SECOND, "tell").max_runs(1))
        .register("after", |ended: Ended, _| async move { Ok::<_, Failure>(ended.func) });
    let worker = worker.build().unwrap();
    backend.save_schedule(every("own", SECOND, "tell").max_runs(1)).await.unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    let filter = ResultFilter { func: Some("after".to_owned()), ..ResultFilter::default() };
    let results = backend.require_results().unwrap();
    until("both callbacks have run", async || results.count(&filter).await.unwrap() == 2).await;
    handle.stop();
    soon(running).await.unwrap().unwrap();
}

/// A tick that is skipped is told in the log.
#[tokio::test(start_paused = true)]
async fn c22_a_skipped_tick_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let backend = backend();
    // No worker knows the function, so its first task waits for ever.
    let worker = worker(&backend)
        .app("shop")
        .schedule(every("slow", SECOND, "unknown").overlap(false))
        .build()
        .unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    let schedules = backend.require_schedules().unwrap();
    until("two ticks have been", async || schedules.history("slow", 10).await.unwrap().len() > 1).await;
    handle.stop();
    soon(running).await.unwrap().unwrap();
    let said = log.text();
    assert!(said.contains("a tick of a schedule was skipped") && said.contains("overlap"), "{said}");
    assert_eq!(schedules.get("slow").await.unwrap().unwrap().runs, 1);
}
