//! Enqueuers that continue through outages.

use std::time::Duration;

use omniq::Backoff;
use omniq::prelude::*;

/// Enqueues tasks for the function `effect`, a hundred at a time with a pause in between. After an outage it is not known
/// whether a batch was added, so it is sent again with the same ids: it is added once, or refused as a duplicate.
///
/// Returns the number of calls that failed.
pub async fn enqueue(backend: AsyncPostgresBackend, count: i64, pause: Duration) -> usize {
    let mut failures = 0;
    for start in (0..count).step_by(100) {
        let tasks: Vec<_> = (start..count.min(start + 100))
            .map(|i| {
                let task = NewTask::new("effect", &i).unwrap().id(TaskId::new());
                // A handler fails when its own connection breaks: that is no fault of the queue.
                task.max_retries(100).backoff(Backoff::fixed(Duration::from_millis(100)))
            })
            .collect();
        let mut tried = false;
        loop {
            match backend.enqueue_many(tasks.clone()).await {
                Ok(_) => break,
                Err(error) if error.is_duplicate() && tried => break,
                Err(error) => assert!(error.is_transient(), "an outage is told as one: {error:?}"),
            }
            (tried, failures) = (true, failures + 1);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(pause).await;
    }
    failures
}
