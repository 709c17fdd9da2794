//! C22: many callers on few keys, with workers and the verbs of users beside them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};

use super::*;

const CALLERS: usize = 64;
const CALLS: usize = 15;
const KEYS: usize = 12;

/// At any moment at most one unfinished task holds a key, however many enqueue; and none is lost.
pub async fn c22_64_callers_on_few_keys(fixture: &dyn QueueFixture) {
    let mut objects = Vec::new();
    for _ in 0..4 {
        objects.push(fixture.queue().await);
    }
    let over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = objects
        .iter()
        .take(2)
        .map(|queue| tokio::spawn(work(Arc::clone(queue), Arc::clone(&over))))
        .collect();
    let watcher = tokio::spawn(watch(Arc::clone(&objects[3]), Arc::clone(&over)));
    let users = [2, 3].map(|user| tokio::spawn(change(Arc::clone(&objects[user]), Arc::clone(&over))));
    let callers = (0..CALLERS).map(|caller| {
        let queue = Arc::clone(&objects[caller % objects.len()]);
        tokio::spawn(async move {
            let (mut added, mut folded) = (Vec::new(), Vec::new());
            for _ in 0..CALLS {
                let call = call();
                let keys: Vec<_> = call.iter().map(|task| task.unique.clone().unwrap().key).collect();
                for (enqueued, key) in queue.enqueue_unique_many(call).await.unwrap().into_iter().zip(keys) {
                    let into = if enqueued.is_new() { &mut added } else { &mut folded };
                    into.push((enqueued.id(), key));
                }
            }
            (added, folded)
        })
    });
    let callers: Vec<_> = callers.collect();
    let (mut added, mut folded) = (HashMap::new(), Vec::new());
    for caller in callers {
        let (new, old) = caller.await.unwrap();
        for (id, key) in new {
            assert!(added.insert(id, format!("{key:?}")).is_none(), "{id} was added twice");
        }
        folded.extend(old);
    }
    over.store(true, Ordering::Release);
    let mut done = HashSet::new();
    for worker in workers {
        for id in worker.await.unwrap() {
            assert!(done.insert(id), "{id} ran to its end twice");
        }
    }
    watcher.await.unwrap();
    for user in users {
        for id in user.await.unwrap() {
            assert!(done.insert(id), "{id} was removed, and ran to its end or was removed once more");
        }
    }
    assert_eq!(
        done,
        added.keys().copied().collect(),
        "each task that was added has run or was removed, and no other"
    );
    for (id, key) in folded {
        assert_eq!(added.get(&id), Some(&format!("{key:?}")), "folded into a task with another key");
    }
    fixture.check().await;
}

/// One to five tasks of different keys, in any order.
fn call() -> Vec<NewTask> {
    let mut random = rand::rng();
    let mut keys: Vec<usize> = (0..KEYS).collect();
    keys.shuffle(&mut random);
    keys.truncate(random.random_range(1..=5));
    let one = |key: &usize| {
        let on_conflict = match rand::random_range(0..10) {
            0 => OnConflict::Replace,
            1 => OnConflict::Reschedule,
            _ => OnConflict::Skip,
        };
        task(*key as i64).unique(Unique::key(format!("key {key}")).until(Until::End).on_conflict(on_conflict))
    };
    keys.iter().map(one).collect()
}

/// Completes tasks until the callers are through and nothing is left; some only at a second attempt.
async fn work(queue: Arc<dyn TaskQueue>, over: Arc<AtomicBool>) -> Vec<TaskId> {
    let mut done = Vec::new();
    loop {
        let last = over.load(Ordering::Acquire);
        let tasks = queue.dequeue_many(from("default").limit(4)).await.unwrap();
        if tasks.is_empty() {
            if last && total(&queue).await == 0 {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for task in tasks {
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..3))).await;
            if task.attempt == 1 && rand::random_range(0..4) == 0 {
                queue.retry_later(&task, Duration::ZERO, None).await.unwrap();
            } else {
                queue.complete(&task).await.unwrap();
                done.push(task.id);
            }
        }
    }
}

/// Changes tasks that wait, by all verbs on ids, and returns those that it has removed.
async fn change(queue: Arc<dyn TaskQueue>, over: Arc<AtomicBool>) -> Vec<TaskId> {
    let mut removed = Vec::new();
    while !over.load(Ordering::Acquire) {
        let tasks = queue.list(&TaskFilter { limit: Some(50), ..TaskFilter::default() }).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let Some(task) = tasks.choose(&mut rand::rng()) else { continue };
        let priority = TaskUpdate { priority: Some(rand::random_range(0..3)), ..TaskUpdate::default() };
        let late =
            TaskUpdate { run_at: Some(task.run_at + Duration::from_millis(2)), ..TaskUpdate::default() };
        let changed = match rand::random_range(0..6) {
            0 => queue.cancel(task.id).await.map(|cancelled| cancelled == Cancelled::Done),
            1 => queue.delete(task.id).await.map(|()| true),
            2 => queue.retry(task.id).await.map(|()| false),
            3 => queue.update(task.id, late).await.map(|_| false),
            _ => queue.update(task.id, priority).await.map(|_| false),
        };
        match changed {
            Ok(true) => removed.push(task.id),
            Ok(false) => {}
            Err(error) => assert!(error.is_not_found() || error.is_conflict(), "{error}"),
        }
    }
    removed
}

/// Each list is of one moment.
async fn watch(queue: Arc<dyn TaskQueue>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Acquire) {
        let mut held = HashMap::new();
        for task in queue.list(&TaskFilter { limit: Some(1_000), ..TaskFilter::default() }).await.unwrap() {
            let key = format!("{:?}", task.unique.as_ref().unwrap().key);
            let other = held.insert(key, task.id);
            assert_eq!(other, None, "two unfinished tasks with the key {:?}", task.unique);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
