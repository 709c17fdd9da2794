//! Claim, run, settle: order, limits, codecs, and every task run once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omniq_core::*;

use crate::support::*;

#[tokio::test]
async fn a_task_is_run_and_its_result_stored() {
    let rig = Rig::new();
    let id = rig.add(NewTask::new("add", &(1, 2)).unwrap().metadata("who", "ann")).await;
    let worker = rig.worker().name("w1").register("add", |(a, b): (i64, i64), context: Context| async move {
        assert_eq!((context.attempt(), context.worker()), (1, "w1"));
        Ok::<_, Failure>(a + b)
    });
    worker.build().unwrap().run_until_idle().await.unwrap();

    let result = rig.result(id).await;
    assert_eq!(result.status, ResultStatus::Completed);
    assert_eq!(result.value.unwrap().decode::<i64>().unwrap(), 3);
    assert_eq!((result.worker.as_deref(), result.attempt), (Some("w1"), 1));
    assert_eq!(result.ttl, Some(Backend::RESULT_TTL));
    assert_eq!(result.metadata["who"], "ann");
    assert!(result.started_at.is_some());
    assert_eq!(rig.kinds(id).await, ["enqueued", "started", "completed"]);
    assert_eq!(rig.left().await, 0);
}

#[tokio::test]
async fn the_value_is_written_in_the_codec_of_the_arguments() {
    let rig = Rig::new();
    let msgpack = NewTask::with_payload("double", Payload::msgpack(&21).unwrap());
    let raw = NewTask::with_payload("bytes", Payload::new("x-mine".parse().unwrap(), vec![0xff, 0x00]));
    let (msgpack, raw) = (rig.add(msgpack).await, rig.add(raw).await);
    let worker = rig
        .worker()
        .register_blocking("double", |n: i64, _: Context| Ok::<_, Failure>(n * 2))
        .handler("bytes", Handler::raw(|payload: Payload, _| async move { Ok::<_, Failure>(payload) }));
    worker.build().unwrap().run_until_idle().await.unwrap();

    let value = rig.result(msgpack).await.value.unwrap();
    assert_eq!((value.codec(), value.decode::<i64>().unwrap()), (&Codec::MessagePack, 42));
    let value = rig.result(raw).await.value.unwrap();
    assert_eq!((value.codec().name(), value.bytes().as_ref()), ("x-mine", &[0xff, 0x00][..]));
}

#[tokio::test]
async fn functions_that_are_not_registered_are_left() {
    let rig = Rig::new();
    let other = rig.add(task("other")).await;
    let known = rig.add(task("known")).await;
    let worker = rig.worker().register("known", move |(): (), context: Context| async move {
        let held = TaskFilter { state: Some(TaskState::Running), ..Default::default() };
        let held = context.backend().queue().list(&held).await?;
        Ok::<_, Failure>(held.iter().map(|task| task.id).collect::<Vec<_>>())
    });
    worker.build().unwrap().run_until_idle().await.unwrap();

    let held: Vec<TaskId> = rig.result(known).await.value.unwrap().decode().unwrap();
    assert_eq!(held, [known], "others' tasks must not be held meanwhile");
    let other = rig.task(other).await;
    assert_eq!((other.state, other.attempt), (TaskState::Ready, 0));
}

#[tokio::test]
async fn queues_are_served_strictly_in_order() {
    let rig = Rig::new();
    for number in 0..20 {
        let queue = if number % 2 == 0 { "low" } else { "high" };
        rig.add(NewTask::new("note", &queue).unwrap().queue(queue)).await;
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let worker =
        rig.worker().queues(["high", "low"]).concurrency(1).register("note", move |queue: String, _| {
            noted.lock().unwrap().push(queue);
            async { Ok::<_, Failure>(()) }
        });
    worker.build().unwrap().run_until_idle().await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 20);
    assert!(seen[..10].iter().all(|queue| queue == "high"), "{seen:?}");
}

#[tokio::test]
async fn slow_tasks_are_claimed_only_for_free_slots() {
    let rig = Rig::new();
    for _ in 0..10 {
        rig.add(task("wait")).await;
    }
    let (begun, gate) = (Counter::default(), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counter, closed) = (begun.clone(), Arc::clone(&gate));
    let worker = rig.worker().concurrency(3).register("wait", move |(): (), _| {
        counter.add();
        let gate = Arc::clone(&closed);
        async move {
            gate.acquire().await?.forget();
            Ok::<_, Failure>(())
        }
    });
    let running = tokio::spawn(worker.build().unwrap().run_until_idle());
    begun.reaches(3).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(begun.get(), 3);
    assert_eq!(rig.count(TaskState::Running).await, 3);
    gate.add_permits(10);
    soon(running).await.unwrap().unwrap();
    assert_eq!((begun.get(), rig.left().await), (10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tasks_run_exactly_once_with_several_workers() {
    const TASKS: usize = 10_000;
    let rig = Rig::new();
    let tasks = (0..TASKS).map(|n| NewTask::new("note", &n).unwrap()).collect();
    rig.backend.enqueue_many(tasks).await.unwrap();
    let (seen, most) = (Arc::new(Mutex::new(Vec::new())), Counter::default());
    let now = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut workers = Vec::new();
    for number in 0..3 {
        let (seen, now, most) = (Arc::clone(&seen), Arc::clone(&now), most.clone());
        let handler = move |n: usize, _: Context| {
            let (seen, now, most) = (Arc::clone(&seen), Arc::clone(&now), most.clone());
            async move {
                if now.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= 3 * 16 {
                    most.add();
                }
                tokio::task::yield_now().await;
                seen.lock().unwrap().push(n);
                now.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, Failure>(())
            }
        };
        let worker = rig.worker().name(format!("w{number}")).concurrency(16).register("note", handler);
        workers.push(tokio::spawn(worker.build().unwrap().run_until_idle()));
    }
    for worker in workers {
        soon(worker).await.unwrap().unwrap();
    }
    // Each worker ends when nothing is left to claim and no worker runs anything, so everything that was claimed is
    // settled.
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), TASKS);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), TASKS);
    assert_eq!(most.get(), 0, "more runs at once than the workers have slots");
    assert_eq!(ResultStorage::count(&*rig.results, &Default::default()).await.unwrap(), TASKS as u64);
    assert_eq!(rig.left().await, 0);
}

#[tokio::test]
async fn c06_no_results_and_no_events_are_needed() {
    let queue = Arc::new(MemoryQueue::new());
    let backend = Backend::new(queue.clone());
    let id = backend.enqueue(task("quiet")).await.unwrap();
    let failing = backend.enqueue(task("failing").max_retries(0)).await.unwrap();
    let waiting = backend.enqueue(task("quiet").delay(PATIENCE)).await.unwrap();
    assert_eq!(backend.cancel(waiting).await.unwrap(), Cancelled::Done);
    let ran = Counter::default();
    let counter = ran.clone();
    let worker = Worker::builder(&backend)
        .register("quiet", move |(): (), context| {
            counter.add();
            async move { Ok(context.log_event("progress", Default::default())?) }
        })
        .register("failing", |(): (), _| async { Err::<(), _>(Failure::error("bad", "luck")) });
    worker.build().unwrap().run_until_idle().await.unwrap();

    assert_eq!(ran.get(), 1);
    assert_eq!(queue.get(id).await.unwrap(), None);
    assert_eq!(queue.get(failing).await.unwrap().unwrap().state, TaskState::Dead);
    assert!(backend.result(id).await.unwrap_err().is_config());
    assert!(backend.wait(id, PATIENCE).await.unwrap_err().is_config());
    assert!(backend.require_events().unwrap_err().is_config());
    backend.close().await.unwrap();
    assert!(backend.enqueue(task("quiet")).await.unwrap_err().is_closed());
}
