//! Verbs by filter in a queue that grows meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use omniq_core::layers::{MaintenanceLayer, QueueLayer, WorkerLayer};
use omniq_core::*;

use crate::support::*;

/// A queue in which others enqueue a page of tasks each time that one is read.
#[derive(Debug)]
struct Growing(MemoryQueue, Counter);

#[async_trait]
impl QueueLayer for Growing {
    fn below(&self) -> &dyn TaskQueue {
        &self.0
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        if self.1.add() > 20 {
            return Err(Error::internal("it would never end"));
        }
        self.0.enqueue_many(vec![task("later"); filter.page_size() as usize]).await?;
        self.0.list(filter).await
    }
}

impl WorkerLayer for Growing {
    fn below(&self) -> &dyn WorkerQueue {
        &self.0
    }
}

impl MaintenanceLayer for Growing {
    fn below(&self) -> &dyn QueueMaintenance {
        &self.0
    }
}

#[tokio::test]
async fn a_cancel_by_filter_ends_although_tasks_are_enqueued_all_the_time() {
    let growing = Arc::new(Growing(MemoryQueue::new(), Counter::default()));
    let backend = Backend::new(Arc::clone(&growing) as Arc<dyn TaskQueue>)
        .with_results(Arc::new(MemoryResultStorage::new()));
    backend.enqueue_many(vec![task("f"); 1_500]).await.unwrap();
    let running = growing.0.dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    let counts = backend.cancel_all(&TaskFilter::default()).await.unwrap();
    assert_eq!((counts.done, counts.requested), (1_499, 1));
    let left = growing.0.list(&TaskFilter { limit: Some(10_000), ..TaskFilter::default() }).await.unwrap();
    assert!(left.iter().all(|task| task.func == "later" || task.id == running.id), "what came later stays");
}
