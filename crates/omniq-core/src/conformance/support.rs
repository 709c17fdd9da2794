//! Small helpers that keep the behaviours short.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

use crate::*;

/// A limit that only a hang reaches.
const HANG: Duration = Duration::from_secs(120);

/// Runs one behaviour; a hang becomes a failure. Boxed, because the runtime would otherwise be compiled anew for each
/// of some hundred tests.
pub fn run(behaviour: Pin<Box<dyn Future<Output = ()> + '_>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test");
    runtime.block_on(async {
        tokio::time::timeout(HANG, behaviour).await.expect("the behaviour hangs");
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// A task in the default queue with a number as its argument.
pub(super) fn task(number: i64) -> NewTask {
    NewTask::new("work", &number).expect("a number is JSON")
}

pub(super) fn number(task: &Task) -> i64 {
    task.payload.decode().expect("the argument is a number")
}

pub(super) fn numbers(tasks: &[Task]) -> Vec<i64> {
    tasks.iter().map(number).collect()
}

pub(super) fn from(queue: &str) -> Dequeue {
    Dequeue::from([queue])
}

/// The next task of the default queue, which must be there.
pub(super) async fn take(queue: &Arc<dyn TaskQueue>) -> Task {
    queue.dequeue(from("default")).await.unwrap().expect("a task is ready")
}

pub(super) async fn take_many(queue: &Arc<dyn TaskQueue>, limit: u32) -> Vec<Task> {
    queue.dequeue_many(from("default").limit(limit)).await.unwrap()
}

pub(super) async fn is_empty(queue: &Arc<dyn TaskQueue>) -> bool {
    take_many(queue, 1).await.is_empty()
}

/// Enqueues tasks with these numbers.
pub(super) async fn add(queue: &Arc<dyn TaskQueue>, numbers: impl IntoIterator<Item = i64>) -> Vec<TaskId> {
    queue.enqueue_many(numbers.into_iter().map(task).collect()).await.unwrap()
}

pub(super) async fn state(queue: &Arc<dyn TaskQueue>, id: TaskId) -> Option<TaskState> {
    queue.get(id).await.unwrap().map(|task| task.state)
}

pub(super) async fn total(queue: &Arc<dyn TaskQueue>) -> u64 {
    queue.count(&TaskFilter::default()).await.unwrap()
}

pub(super) fn boom() -> TaskError {
    TaskError::new("Boom", "it broke")
}

/// A worker for the default queue that is named `tester`.
pub(super) async fn worker(queue: &Arc<dyn TaskQueue>, lease: Duration) -> WorkerId {
    let mut info = WorkerInfo::new(["default"]);
    info.name = "tester".to_owned();
    info.lease = lease;
    queue.register_worker(&info).await.unwrap()
}

/// Tasks whose worker is lost, as soon as there are any.
pub(super) async fn lost(queue: &Arc<dyn TaskQueue>) -> Vec<Lost> {
    for _ in 0..1000 {
        let lost = queue.lost(100).await.unwrap();
        if !lost.is_empty() {
            return lost;
        }
        pause(20).await;
    }
    panic!("no worker was found to be lost within 20 seconds");
}

/// Does what maintenance does with the tasks of lost workers.
pub(super) async fn rescue(queue: &Arc<dyn TaskQueue>, lost: &[Lost]) -> Vec<Settled> {
    let error = || TaskError::new("worker_lost", "its worker was lost");
    let batch = lost.iter().map(|Lost { task, .. }| {
        let outcome = if task.may_retry() {
            Outcome::RetryLater { delay: Duration::ZERO, error: Some(error()) }
        } else {
            Outcome::Fail { error: error() }
        };
        settlement(task, outcome)
    });
    queue.settle(&batch.collect::<Vec<_>>(), SettleMode::Each).await.unwrap()
}

/// All verbs but `close` and these have failed with `is_closed`.
pub(super) fn assert_all_closed(answers: Vec<(&'static str, Option<Error>)>, but: &[&str]) {
    for (verb, error) in answers {
        if verb != "close" && !but.contains(&verb) {
            let error = error.unwrap_or_else(|| panic!("{verb} works after close"));
            assert!(error.is_closed(), "{verb}: {error:?}");
        }
    }
}

/// A settlement by the claim that the task carries.
pub(super) fn settlement(task: &Task, outcome: Outcome) -> Settlement {
    Settlement::new(task.id, task.claim, outcome)
}

/// Two times that are near each other: clocks of two processes may differ, and slow machines take their time.
pub(super) fn assert_near(left: Timestamp, right: Timestamp) {
    let apart = left.duration_since(right).abs();
    assert!(apart.as_secs() < 10, "{left} and {right} should be the same time");
}

/// The time, in whole microseconds as PostgreSQL keeps it.
pub(super) fn micros(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).expect("a time of today")
}

/// Walks along many random sequences, each with its number; one that fails is shrunk to the shortest that fails.
pub(super) async fn random_walks<S, F>(
    cases: u32,
    strategy: S,
    walk: impl Fn(u64, S::Value) -> F + Send + 'static,
) where
    S: Strategy + Send + 'static,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Handle::current();
    let walks = move || {
        let config = Config { failure_persistence: None, cases, ..Config::default() };
        let number = std::cell::Cell::new(0_u64);
        let outcome = TestRunner::new(config).run(&strategy, |moves| {
            number.set(number.get() + 1);
            runtime.block_on(walk(number.get(), moves));
            Ok(())
        });
        outcome.map_err(|error| error.to_string())
    };
    if let Err(error) = tokio::task::spawn_blocking(walks).await.expect("the walks' thread ends") {
        panic!("{error}");
    }
}
