//! C7 to C10 for Rust: the blocking twins, from whatever thread they are called.

use std::time::{Duration, Instant};

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::{Error, TaskFilter};
use omniq_testkit::TestDb;
use tokio::runtime::Builder;

use crate::witness::PATIENCE;

/// A database, made without a runtime that the test would keep.
pub fn database() -> TestDb {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(TestDb::new())
}

pub fn open(db: &TestDb) -> PostgresBackend {
    let settings = Settings::builder().url(db.url()).events("postgres").pool_max(4).build().unwrap();
    PostgresBackend::with_settings_sync(&settings).unwrap()
}

/// A task's whole life by blocking calls alone.
fn live(url: &str, queue_name: &str) {
    let queue = PostgresQueue::connect_sync(url).unwrap();
    let results = PostgresResultStorage::connect_sync(url).unwrap();
    let id = queue.enqueue_sync(NewTask::new("f", &1).unwrap().queue(queue_name)).unwrap();
    let request = Dequeue::from([queue_name]).timeout(PATIENCE);
    let task = queue.dequeue_sync(request).unwrap().unwrap();
    assert_eq!(task.id, id);
    let result = omniq::TaskResult::of(&task, omniq::ResultStatus::Completed);
    results.store_sync(result).unwrap();
    queue.complete_sync(&task).unwrap();
    assert_eq!(results.wait_sync(id, PATIENCE).unwrap().task_id, id);
    assert!(queue.complete_sync(&task).unwrap_err().is_claim_lost());
    queue.close_sync().unwrap();
    queue.close_sync().unwrap();
    results.close_sync().unwrap();
    assert!(queue.enqueue_sync(NewTask::new("f", &1).unwrap()).unwrap_err().is_closed());
}

#[test]
fn c10_from_the_main_thread_and_a_plain_thread() {
    let db = database();
    live(&db.url(), "here");
    let url = db.url();
    std::thread::spawn(move || live(&url, "there")).join().unwrap();
}

/// 32 threads on one instance enqueue, take and complete; each task once.
#[test]
fn c10_from_thirty_two_threads_on_one_instance() {
    let db = database();
    let queue = PostgresQueue::connect_sync(&format!("{}?pool_max=4", db.url())).unwrap();
    let mut taken: Vec<TaskId> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32)
            .map(|i| {
                let queue = &queue;
                scope.spawn(move || {
                    for n in 0..10 {
                        queue.enqueue_sync(NewTask::new("f", &(i, n)).unwrap()).unwrap();
                    }
                    let mut mine = Vec::new();
                    while let Some(task) = queue.dequeue_sync(Dequeue::from(["default"])).unwrap() {
                        queue.complete_sync(&task).unwrap();
                        mine.push(task.id);
                    }
                    mine
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 320);
    assert_eq!(queue.count_sync(&TaskFilter::default()).unwrap(), 0);
    queue.close_sync().unwrap();
}

/// Within a running runtime: on its blocking threads, and on those of its own threads that may block.
#[test]
fn c10_from_threads_of_a_running_runtime_that_may_block() {
    let db = database();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let url = db.url();
    runtime.block_on(async {
        let (first, second) = (url.clone(), url.clone());
        tokio::task::spawn_blocking(move || live(&first, "a")).await.unwrap();
        tokio::spawn(async move { tokio::task::block_in_place(|| live(&second, "b")) }).await.unwrap();
        tokio::task::block_in_place(|| live(&url, "c"));
        // A plain thread that has entered the runtime does not poll it.
        let handle = tokio::runtime::Handle::current();
        let url = url.clone();
        let thread = std::thread::spawn(move || {
            let _entered = handle.enter();
            live(&url, "d");
        });
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    });
    // A current-thread runtime has threads for blocking work, too.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let url = db.url();
    runtime.block_on(async { tokio::task::spawn_blocking(move || live(&url, "e")).await.unwrap() });
}

fn assert_refused(backend: &PostgresBackend, url: &str) {
    let began = Instant::now();
    let refused = |error: Error| {
        assert!(error.is_blocking_in_async(), "{error:?}");
        assert!(error.to_string().contains("spawn_blocking"), "{error}");
    };
    refused(backend.enqueue_sync(NewTask::new("f", &1).unwrap()).unwrap_err());
    refused(backend.wait_sync(TaskId::new(), PATIENCE).unwrap_err());
    refused(PostgresBackend::connect_sync(url).unwrap_err());
    refused(PostgresQueue::connect_sync(url).unwrap_err());
    refused(backend.close_sync().unwrap_err());
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// On a thread that a runtime needs: an error, not a deadlock, whatever the runtime, and however the code got there.
#[test]
fn c10_an_async_thread_gets_an_error_instead_of_a_deadlock() {
    let db = database();
    let (backend, url) = (open(&db), db.url());
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            assert_refused(&backend, &url);
            tokio::task::yield_now().await;
            assert_refused(&backend, &url);
            let (spawned, at) = (backend.clone(), url.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert_refused(&spawned, &at);
            })
            .await
            .unwrap();
            let (local, at) = (backend.clone(), url.clone());
            tokio::task::LocalSet::new()
                .run_until(async move {
                    tokio::task::spawn_local(async move { assert_refused(&local, &at) }).await.unwrap();
                })
                .await;
        });
    }
    // The object still works.
    backend.enqueue_sync(NewTask::new("f", &1).unwrap()).unwrap();
    backend.close_sync().unwrap();
}
