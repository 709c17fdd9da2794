//! Events of runs that end faster than their events can be written.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use omniq_core::*;
use serde_json::Map;

use crate::joint::Joint;
use crate::stores::Slow;
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_of_a_run_is_lost_or_late_if_their_storage_is_slow() {
    const TASKS: usize = 3_000;
    let rig = Rig::new();
    let slow = Slow::new(&rig.events, Duration::from_millis(5));
    let backend = rig.backend.clone().with_events(Arc::new(slow));
    let tasks: Vec<NewTask> = (0..TASKS).map(|_| task("f")).collect();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    let handler = Handler::new(|(): (), context: Context| async move {
        context.log_event("halfway", Map::new()).map_err(Failure::from)
    });
    let worker = Worker::builder(backend).concurrency(400).handler("f", handler).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();

    let mut kinds: HashMap<TaskId, Vec<String>> = HashMap::new();
    let mut filter = EventFilter { limit: Some(1_000), ..EventFilter::default() };
    loop {
        let page = rig.events.query(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        for event in page {
            kinds.entry(event.task_id.unwrap()).or_default().push(event.kind.to_string());
        }
    }
    for id in ids {
        assert_eq!(kinds[&id], ["enqueued", "started", "halfway", "completed"]);
    }
}

/// The events of a task whose run takes 3.2 s, and whose first event takes 4 s to be written.
async fn kinds_with_a_slow_start(
    backend: Backend,
    events: Arc<MemoryEventStorage>,
    location: Location,
) -> Vec<String> {
    let pause = Duration::from_secs(4);
    let slow = Slow { once: Some(AtomicBool::new(false)), location, ..Slow::new(&events, pause) };
    let id = backend.queue().enqueue(task("f")).await.unwrap();
    let handler = Handler::new(|(): (), _: Context| async move {
        tokio::time::sleep(Duration::from_millis(3_200)).await;
        Ok::<_, Failure>(())
    });
    let backend = backend.with_events(Arc::new(slow));
    soon(Worker::builder(backend).handler("f", handler).build().unwrap().run_until_idle()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let filter = EventFilter { task_id: Some(id), ..EventFilter::default() };
    let events = events.query(&filter).await.unwrap();
    events.into_iter().map(|event| event.kind.to_string()).collect()
}

/// Issue 12, C15. Detected by a chaos test: a write of `started` was given up after 2 s, went on waiting for a lock in
/// the server, and was carried out after the end.
#[tokio::test]
async fn c15_events_kept_with_the_tasks_wait_for_a_slow_write_of_earlier_ones() {
    let joint = Joint::new(false);
    let (here, events) = (joint.queue.location(), Arc::new(joint.events.clone()));
    assert_eq!(kinds_with_a_slow_start(joint.backend(), events, here).await, ["started", "completed"]);
}

/// The same write to a store elsewhere, for which the ends do not wait.
#[tokio::test]
async fn c15_a_store_elsewhere_takes_nothing_while_a_write_that_was_given_up_goes_on() {
    let (rig, elsewhere) = (Rig::new(), Location::new("elsewhere"));
    assert_eq!(
        kinds_with_a_slow_start(rig.backend.clone(), rig.events.clone(), elsewhere).await,
        ["started"]
    );
}

/// The same, with a write whose caller is dropped: it goes on, and no later event gets before it.
#[tokio::test]
async fn c15_a_store_elsewhere_takes_nothing_while_the_write_of_a_dropped_caller_goes_on() {
    let rig = Rig::new();
    let (pause, location) = (Duration::from_secs(1), Location::new("elsewhere"));
    let slow = Slow { once: Some(AtomicBool::new(false)), location, ..Slow::new(&rig.events, pause) };
    let backend = rig.backend.clone().with_events(Arc::new(slow));
    let dropped = tokio::time::timeout(pause / 4, backend.enqueue(task("dropped"))).await;
    assert!(dropped.is_err());
    backend.enqueue(task("meanwhile")).await.unwrap();
    tokio::time::sleep(pause * 3 / 2).await;
    backend.enqueue(task("behind")).await.unwrap();

    let mut written = Vec::new();
    for event in rig.events.query(&EventFilter::default()).await.unwrap() {
        let task = backend.queue().get(event.task_id.unwrap()).await.unwrap().unwrap();
        written.push((task.func, event.kind.to_string()));
    }
    let written: Vec<_> = written.iter().map(|(func, kind)| (func.as_str(), kind.as_str())).collect();
    assert_eq!(written, [("dropped", "enqueued"), ("behind", "enqueued")]);
}
