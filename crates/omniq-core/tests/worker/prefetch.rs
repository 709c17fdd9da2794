//! Prefetched tasks: they stay in the local queue only as long as that is useful.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;
use tokio::sync::Semaphore;

use crate::support::*;

const LEASE: Duration = Duration::from_millis(600);

/// A worker with one slot and prefetched tasks: many fast runs make it prefetch, then a slow one takes the slot.
struct Stocked {
    rig: Rig,
    /// The ten slow tasks.
    slow: Vec<TaskId>,
    begun: Counter,
    gate: Arc<Semaphore>,
    handle: WorkerHandle,
    running: tokio::task::JoinHandle<Result<()>>,
}

async fn stocked(wait: Duration) -> Stocked {
    let rig = Rig::new();
    let (begun, gate) = (Counter::default(), Arc::new(Semaphore::new(0)));
    let (counter, closed) = (begun.clone(), Arc::clone(&gate));
    let handler = Handler::new(move |slow: bool, _| {
        let (counter, gate) = (counter.clone(), Arc::clone(&closed));
        async move {
            if slow {
                counter.add();
                gate.acquire().await?.forget();
            }
            Ok::<_, Failure>(())
        }
    });
    let mut tasks = vec![NewTask::new("f", &false).unwrap(); 3000];
    tasks.extend(vec![NewTask::new("f", &true).unwrap(); 10]);
    let slow = rig.backend.enqueue_many(tasks).await.unwrap().split_off(3000);
    let worker = rig.worker().lease(LEASE).concurrency(1).prefetch_wait(wait).handler("f", handler);
    let worker = worker.build().unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run_until_idle());
    begun.reaches(1).await;
    Stocked { rig, slow, begun, gate, handle, running }
}

impl Stocked {
    async fn buffered(&self) -> Vec<TaskId> {
        let mut ids = Vec::new();
        for id in &self.slow[1..] {
            if self.rig.task(*id).await.state == TaskState::Running {
                ids.push(*id);
            }
        }
        ids
    }
}

#[tokio::test]
async fn a_cancelled_task_is_withdrawn_before_it_begins() {
    let all = stocked(PATIENCE).await;
    let buffered = all.buffered().await;
    assert!(!buffered.is_empty(), "3000 fast runs must have led to a prefetch");
    let answers = all.rig.backend.cancel_many(&buffered).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Cancelled::Requested), "{answers:?}");
    for id in &buffered {
        assert_eq!(all.rig.result(*id).await.status, ResultStatus::Cancelled);
    }
    all.gate.add_permits(10);
    soon(all.running).await.unwrap().unwrap();
    assert_eq!(all.begun.get(), 10 - buffered.len(), "what was removed from the local queue must never run");
}

#[tokio::test]
async fn a_stop_hands_it_back_uncounted() {
    let all = stocked(PATIENCE).await;
    assert!(!all.buffered().await.is_empty(), "3000 fast runs must have led to a prefetch");
    all.handle.stop();
    until("it is released", || async { all.buffered().await.is_empty() }).await;
    all.gate.add_permits(1);
    soon(all.running).await.unwrap().unwrap();

    assert_eq!((all.begun.get(), all.rig.left().await), (1, 9));
    for id in &all.slow[1..] {
        let task = all.rig.task(*id).await;
        assert_eq!((task.state, task.attempt), (TaskState::Ready, 0));
    }
}

#[tokio::test]
async fn when_no_slot_becomes_free_it_is_handed_back_for_others() {
    let all = stocked(Duration::from_millis(20)).await;
    until("it is released", || async { all.buffered().await.is_empty() }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(all.buffered().await.is_empty(), "it must not be claimed again");
    let ran = Counter::default();
    let counter = ran.clone();
    let other = all.rig.worker().register("f", move |_: bool, context: Context| {
        counter.add();
        async move { Ok::<_, Failure>(context.attempt()) }
    });
    soon(other.build().unwrap().run_until_idle()).await.unwrap();
    assert_eq!(ran.get(), 9);
    for id in &all.slow[1..] {
        assert_eq!(all.rig.result(*id).await.attempt, 1);
    }
    all.gate.add_permits(1);
    soon(all.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn when_the_lease_is_lost_none_of_it_is_begun() {
    let mut all = stocked(PATIENCE).await;
    assert!(!all.buffered().await.is_empty(), "3000 fast runs must have led to a prefetch");
    all.rig.queue.stop_heart(true);
    // The run is stopped and its slot is free. The worker registers anew and finds only tasks that its old claims hold.
    soon(&mut all.running).await.unwrap().unwrap();
    assert_eq!(all.begun.get(), 1);
    assert!(!all.buffered().await.is_empty(), "it is left to those who take over");
}

/// Issue 12, D: a process that was suspended resumes in the middle of its runs, before it has notice that its lease is
/// over.
#[tokio::test]
async fn when_the_process_stood_still_beyond_the_lease_none_of_it_is_begun() {
    let mut all = stocked(PATIENCE).await;
    assert!(!all.buffered().await.is_empty(), "3000 fast runs must have led to a prefetch");
    all.rig.queue.stop_heart(true);
    // The run wakes first: the session is not polled before the next task would begin.
    all.gate.add_permits(1);
    std::thread::sleep(LEASE * 2);
    soon(&mut all.running).await.unwrap().unwrap();
    assert_eq!(all.begun.get(), 1);
    assert!(!all.buffered().await.is_empty(), "it is left to those who take over");
}
