//! The backend of tests, and what is enqueued there.

use std::fmt::Write;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::drained::Drained;
use crate::model::{Payload, Task};
use crate::{Backend, MemoryEventStorage, MemoryQueue, MemoryResultStorage, Result, Worker, clock};

/// A backend in this process's memory, with results and events, for tests. It follows Tokio's clock where that is
/// [paused](crate::testing). Cheap to clone; clones share the tasks.
///
/// All methods of [`Backend`] by `Deref`; a worker takes the backend itself.
#[derive(Debug, Clone)]
pub struct TestBackend {
    queue: MemoryQueue,
    events: Arc<MemoryEventStorage>,
    backend: Backend,
}

impl Default for TestBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestBackend {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.backend
    }
}

impl From<&TestBackend> for Backend {
    fn from(backend: &TestBackend) -> Self {
        backend.backend.clone()
    }
}

impl TestBackend {
    /// An empty backend.
    pub fn new() -> Self {
        let (queue, events) = (MemoryQueue::new(), Arc::new(MemoryEventStorage::new()));
        let backend = Backend::new(Arc::new(queue.clone()))
            .with_results(Arc::new(MemoryResultStorage::new()))
            .with_events(Arc::clone(&events) as _);
        Self { queue, events, backend }
    }

    /// The same tasks with a change of the backend, such as [`with_keep_args`](Backend::with_keep_args) or a layer around
    /// enqueues.
    #[must_use]
    pub fn map_backend(self, change: impl FnOnce(Backend) -> Backend) -> Self {
        Self { backend: change(self.backend), ..self }
    }

    /// The present time by the backend's clock, for `run_at`.
    pub fn now(&self) -> Timestamp {
        clock::now()
    }

    /// The tasks of this function that wait, in the order of arrival; of all queues, the delayed ones too.
    pub fn enqueued(&self, func: &str) -> Vec<Task> {
        let mut waiting = self.queue.waiting();
        waiting.retain(|task| task.func == func);
        waiting
    }

    /// Panics unless a task of this function waits. Returns the one that was enqueued last.
    #[track_caller]
    pub fn assert_enqueued(&self, func: &str) -> Task {
        match self.enqueued(func).pop() {
            Some(task) => task,
            None => panic!("no task of {func:?} is enqueued; {}", self.shown()),
        }
    }

    /// Panics unless a task of this function waits with these arguments. Returns the one that was enqueued last.
    #[track_caller]
    pub fn assert_enqueued_with<A: Serialize + ?Sized>(&self, func: &str, args: &A) -> Task {
        let wanted = match serde_json::to_value(args) {
            Ok(wanted) => wanted,
            Err(error) => panic!("the arguments cannot be written as JSON: {error}"),
        };
        let has_them = |task: &Task| value(&task.payload).is_some_and(|value| value == wanted);
        match self.enqueued(func).into_iter().rfind(has_them) {
            Some(task) => task,
            None => panic!("no task of {func:?} is enqueued with {wanted}; {}", self.shown()),
        }
    }

    /// Panics if a task of this function waits.
    #[track_caller]
    pub fn assert_not_enqueued(&self, func: &str) {
        assert!(self.enqueued(func).is_empty(), "a task of {func:?} is enqueued; {}", self.shown());
    }

    /// Panics if any task waits.
    #[track_caller]
    pub fn assert_nothing_enqueued(&self) {
        assert!(self.queue.waiting().is_empty(), "{}", self.shown());
    }

    /// Runs the tasks of the worker's queues until none waits, however late it is due, and counts what has become of the
    /// runs. With Tokio's clock paused no time passes; otherwise retries and delays take theirs.
    ///
    /// Tasks of functions that the worker does not know stay. A task that is put off for ever is run for ever: give such a
    /// test a limit by `tokio::time::timeout`, which a paused clock reaches at once. Errors as of [`Worker::run`].
    pub async fn drain(&self, worker: Worker) -> Result<Drained> {
        let before = Drained::of(&self.events).await?;
        worker.run_until_idle_within(Duration::MAX).await?;
        Ok(Drained::of(&self.events).await?.since(before))
    }

    /// What waits, for messages.
    fn shown(&self) -> String {
        let waiting = self.queue.waiting();
        if waiting.is_empty() {
            return "nothing is".to_owned();
        }
        let mut shown = String::from("these are:");
        for Task { func, queue, payload, .. } in &waiting {
            let args = value(payload).map_or_else(|| format!("{payload:?}"), |value| value.to_string());
            let _ = write!(shown, "\n  {func:?} on {queue:?} with {args}");
        }
        shown
    }
}

/// Arguments as JSON; `None` for those of another codec.
fn value(payload: &Payload) -> Option<serde_json::Value> {
    payload.decode().ok()
}
