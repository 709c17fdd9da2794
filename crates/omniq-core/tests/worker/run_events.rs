//! Events of runs that end faster than their events can be written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;
use serde_json::Map;

use crate::stores::Slow;
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_of_a_run_is_lost_or_late_where_their_storage_is_behind() {
    const TASKS: usize = 3_000;
    let rig = Rig::new();
    let slow = Slow { inner: rig.events.clone(), pause: Duration::from_millis(5) };
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
