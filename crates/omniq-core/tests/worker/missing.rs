//! Why a result has not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use omniq_core::layers::ResultsLayer;
use omniq_core::*;

const HOUR: Duration = Duration::from_secs(3600);
const AT_ONCE: Duration = Duration::ZERO;

fn backend() -> Backend {
    Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()))
}

async fn add(backend: &Backend, task: NewTask) -> TaskId {
    backend.enqueue(task).await.unwrap()
}

fn task(func: &str) -> NewTask {
    NewTask::new(func, &()).unwrap()
}

/// The message of a wait for one task, which a wait for many gives, too.
async fn why(backend: &Backend, id: TaskId) -> String {
    let error = backend.wait(id, AT_ONCE).await.unwrap_err();
    let many = backend.wait_many(&[id], AT_ONCE).try_next().await.unwrap_err();
    assert!(error.is_timeout() && many.is_timeout(), "{error:?} {many:?}");
    assert_eq!(error.to_string(), many.to_string());
    let (about, why) = error.to_string().split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(about, format!("no result of task {id} within 0ns"));
    why
}

async fn worker(backend: &Backend, queue: &str, func: &str) -> WorkerId {
    let info = WorkerInfo { funcs: vec![func.to_owned()], ..WorkerInfo::new([queue]) };
    backend.queue().register_worker(&info).await.unwrap()
}

#[tokio::test]
async fn a_wait_that_ran_out_of_time_says_why() {
    let backend = backend();
    assert!(why(&backend, TaskId::new()).await.starts_with("there is no such task"));

    let id = add(&backend, task("f").queue("mail")).await;
    assert_eq!(why(&backend, id).await, "no worker serves its queue \"mail\": start one");
    worker(&backend, "other", "f").await;
    assert!(why(&backend, id).await.starts_with("no worker serves"));
    worker(&backend, "mail", "g").await;
    let unknown =
        "none of the 1 workers that serve its queue \"mail\" knows the function \"f\": start one that does";
    assert_eq!(why(&backend, id).await, unknown);
    worker(&backend, "mail", "f").await;
    let ready = "it is ready, and 2 workers serve its queue \"mail\": it may still come, wait longer";
    assert_eq!(why(&backend, id).await, ready);
    backend.queue().pause("mail").await.unwrap();
    assert_eq!(why(&backend, id).await, "its queue \"mail\" is paused: resume it");
    backend.queue().resume("mail").await.unwrap();

    let held = backend.queue().dequeue(Dequeue::from(["mail"])).await.unwrap().unwrap();
    let since = held.claimed_at.unwrap();
    let runs = format!("a worker runs it since {since}, as attempt 1: it may still come, wait longer");
    assert_eq!(why(&backend, id).await, runs);
    backend.queue().retry_later(&held, HOUR, Some(TaskError::new("net.Timeout", "slow"))).await.unwrap();
    let due = backend.queue().get(id).await.unwrap().unwrap().run_at;
    assert_eq!(why(&backend, id).await, format!("it has failed (net.Timeout), and is retried at {due}"));

    let later = add(&backend, task("f").delay(HOUR)).await;
    assert!(why(&backend, later).await.starts_with("it is scheduled for 2"));
    let dead = add(&backend, task("f").max_retries(0)).await;
    let held = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    backend.queue().fail(&held, TaskError::new("E", "no result is stored by the queue alone")).await.unwrap();
    assert!(why(&backend, dead).await.starts_with("it has ended, and its result has expired or was deleted"));

    let error = backend.wait_many(&[later, id], AT_ONCE).try_next().await.unwrap_err().to_string();
    let first = later.min(id);
    assert!(
        error.starts_with(&format!("no result of 2 of 2 tasks within 0ns, such as of task {first} (it ")),
        "{error}"
    );
}

/// A result store whose first answer is that nothing is there.
#[derive(Debug)]
struct Late {
    results: MemoryResultStorage,
    asked: AtomicBool,
}

#[async_trait]
impl ResultsLayer for Late {
    fn below(&self) -> &dyn ResultStorage {
        &self.results
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        if self.asked.swap(true, Ordering::SeqCst) {
            self.results.get_many(ids).await
        } else {
            Ok(vec![None; ids.len()])
        }
    }
}

#[tokio::test]
async fn a_result_that_came_at_the_last_moment_is_the_answer() {
    let results = MemoryResultStorage::new();
    let late = Late { results: results.clone(), asked: AtomicBool::new(false) };
    let backend = Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(late));
    let result = TaskResult::new(TaskId::new(), ResultStatus::Completed);
    results.store(result.clone()).await.unwrap();
    assert_eq!(backend.wait(result.task_id, AT_ONCE).await.unwrap().task_id, result.task_id);
}
