//! Shared by the tests: a backend whose parts can be inspected, and long time limits instead of exact timing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use omniq_core::*;
use tokio::sync::Semaphore;

use crate::faulty::FaultyQueue;

/// Long enough for the slowest machine; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A backend on the in-memory storage, with faults that can be switched on.
pub(crate) struct Rig {
    pub(crate) queue: Arc<FaultyQueue>,
    pub(crate) results: Arc<MemoryResultStorage>,
    pub(crate) events: Arc<MemoryEventStorage>,
    pub(crate) backend: Backend,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let queue = Arc::new(FaultyQueue::new(MemoryQueue::new()));
        let results = Arc::new(MemoryResultStorage::new());
        let events = Arc::new(MemoryEventStorage::new());
        let backend = Backend::new(Arc::clone(&queue) as Arc<dyn TaskQueue>)
            .with_results(Arc::clone(&results) as Arc<dyn ResultStorage>)
            .with_events(Arc::clone(&events) as Arc<dyn EventStorage>);
        Self { queue, results, events, backend }
    }

    pub(crate) fn worker(&self) -> WorkerBuilder {
        Worker::builder(self.backend.clone()).poll(Duration::from_millis(20))
    }

    pub(crate) async fn add(&self, task: NewTask) -> TaskId {
        self.backend.enqueue(task).await.unwrap()
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.queue.get(id).await.unwrap().expect("the queue holds the task")
    }

    pub(crate) async fn result(&self, id: TaskId) -> TaskResult {
        self.results.wait(id, PATIENCE).await.unwrap()
    }

    pub(crate) async fn count(&self, state: TaskState) -> u64 {
        self.queue.count(&TaskFilter { state: Some(state), ..Default::default() }).await.unwrap()
    }

    /// How many tasks the queue holds in any state.
    pub(crate) async fn left(&self) -> u64 {
        self.queue.count(&TaskFilter::default()).await.unwrap()
    }

    /// The kinds of a task's events, in order.
    pub(crate) async fn kinds(&self, id: TaskId) -> Vec<String> {
        let filter = EventFilter { task_id: Some(id), ..Default::default() };
        let events = self.events.query(&filter).await.unwrap();
        events.iter().map(|event| event.kind.to_string()).collect()
    }
}

/// A task for this function without arguments.
pub(crate) fn task(func: &str) -> NewTask {
    NewTask::new(func, &()).unwrap()
}

/// Retries at once.
pub(crate) fn at_once() -> Backoff {
    Backoff::fixed(Duration::ZERO)
}

/// Waits until the condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let start = std::time::Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a future, which must be ready within [`PATIENCE`].
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes far too long")
}

/// A counter that handlers and tests share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) async fn reaches(&self, count: usize) {
        until("a counter's value", || async { self.get() >= count }).await;
    }
}

/// Counts when it is dropped.
pub(crate) struct OnDrop(pub(crate) Counter);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Runs that go on until the gate opens.
pub(crate) struct Gated {
    pub(crate) begun: Counter,
    pub(crate) dropped: Counter,
    pub(crate) gate: Arc<Semaphore>,
}

impl Gated {
    pub(crate) fn new() -> (Self, Handler) {
        let this = Self {
            begun: Counter::default(),
            dropped: Counter::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        let (begun, dropped, gate) = (this.begun.clone(), this.dropped.clone(), Arc::clone(&this.gate));
        let handler = Handler::new(move |(): (), _| {
            let (guard, gate) = (OnDrop(dropped.clone()), Arc::clone(&gate));
            begun.add();
            async move {
                gate.acquire().await?.forget();
                drop(guard);
                Ok::<_, Failure>(())
            }
        });
        (this, handler)
    }
}
