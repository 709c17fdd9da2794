//! The context of a run: what a handler can know of it and do in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::signal::{StopReason, StopSignal};
use super::states::States;
use crate::backend::{Backend, Report};
use crate::model::*;
use crate::{Error, Result, blocking};

/// The run of a task, as its handler sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    task: Task,
    origin: Arc<Origin>,
    deadline: Option<Instant>,
    signal: StopSignal,
    /// How many transactions of the user may have completed the task.
    completions: AtomicU32,
}

/// What all runs of a worker share.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) states: States,
    pub(crate) worker: Arc<str>,
    pub(crate) backend: Backend,
    pub(crate) outbox: crate::worker::Outbox,
}

impl Context {
    pub(crate) fn new(task: Task, origin: Arc<Origin>) -> Self {
        // By Tokio's clock, which a test can pause.
        let now = tokio::time::Instant::now();
        let deadline = task.timeout.and_then(|timeout| now.checked_add(timeout)).map(Into::into);
        Self(Arc::new(Inner {
            task,
            origin,
            deadline,
            signal: StopSignal::default(),
            completions: AtomicU32::new(0),
        }))
    }

    /// The task with its id, queue, attempt, metadata and all other fields.
    pub fn task(&self) -> &Task {
        &self.0.task
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.0.task.id
    }

    /// The number of this run, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.task.attempt
    }

    /// Whether a failure of this run would be followed by another.
    pub fn may_retry(&self) -> bool {
        self.0.task.may_retry()
    }

    /// The schedule whose tick has enqueued the task, or by which it was triggered.
    pub fn schedule(&self) -> Option<&str> {
        self.task().metadata.get(TICK_KEYS[0])?.as_str()
    }

    /// The time of that tick: for when the task is, however late it runs.
    pub fn tick(&self) -> Option<Timestamp> {
        self.task().metadata.get(TICK_KEYS[1])?.as_str()?.parse().ok()
    }

    /// The name of the worker.
    pub fn worker(&self) -> &str {
        &self.0.origin.worker
    }

    /// The worker's backend, to enqueue further tasks, look at results and so on.
    pub fn backend(&self) -> &Backend {
        &self.0.origin.backend
    }

    /// The tasks that this one runs after, in the order in which they were given, with their results.
    pub async fn predecessors(&self) -> Result<Predecessors> {
        self.backend().predecessors(self.id()).await
    }

    /// The same for blocking handlers.
    pub fn predecessors_sync(&self) -> Result<Predecessors> {
        let (backend, id) = (self.backend().clone(), self.id());
        blocking::wait(async move { backend.predecessors(id).await })?
    }

    /// The state of this type that the worker was given by [`WorkerBuilder::state`](crate::WorkerBuilder::state).
    pub fn state<T: 'static>(&self) -> Option<&T> {
        self.0.origin.states.get()
    }

    /// Adds a task; for async handlers. It is durable once this returns, whatever becomes of this run.
    pub async fn enqueue(&self, task: NewTask) -> Result<TaskId> {
        self.backend().enqueue(task).await
    }

    /// Adds a task; for blocking handlers.
    pub fn enqueue_sync(&self, task: NewTask) -> Result<TaskId> {
        let backend = self.backend().clone();
        blocking::wait(async move { backend.enqueue(task).await })?
    }

    /// The statement that completes the task in a transaction of the user; for drivers that have no `complete_in`. From
    /// here on the end of the run is recorded as a failure, unless the transaction was committed.
    ///
    /// Error `is_invalid` if the queue's storage has no such statement, if results or events are kept elsewhere, or if
    /// the value is too large.
    pub async fn completion(&self, value: Option<Payload>) -> Result<TransactionStatement> {
        let backend = self.backend();
        let report =
            Report { value, worker: Some(self.worker()), ..Report::new(self.task(), Outcome::Complete) };
        // The user's transaction writes the end, so earlier events of the run must be written before it.
        self.0.origin.outbox.flush(self.id()).await;
        let completion = backend.report_statement(vec![report]).await?;
        self.0.completions.fetch_add(1, Ordering::AcqRel);
        Ok(completion)
    }

    /// Takes a [`completion`](Self::completion) back that was certainly not carried out, such as one on a connection
    /// that leads to another database: what the run returns counts as before. Must be called at most once for each
    /// completion.
    pub fn completion_refused(&self) {
        let _ = self
            .0
            .completions
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
    }

    /// Whether a transaction of the user may have completed the task: `completion` has succeeded, and was not taken
    /// back.
    pub fn completed_inside(&self) -> bool {
        self.0.completions.load(Ordering::Acquire) > 0
    }

    /// When the run's timeout is over; `None` if it has no timeout.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Whether the run should stop: the task was cancelled, its time is over, the worker lost its lease, or the worker
    /// stops.
    pub fn is_cancelled(&self) -> bool {
        self.stop_reason().is_some()
    }

    /// Why the run should stop, if it should.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.0.signal.reason()
    }

    /// Waits until the run should stop, and returns why. An async handler is dropped at about the same time, so this is
    /// for tasks that it has spawned.
    pub async fn cancelled(&self) -> StopReason {
        self.0.signal.stopped().await
    }

    /// A token that is cancelled when the run should stop, for what it has spawned. It is not cancelled when the run ends by
    /// itself.
    pub fn cancellation_token(&self) -> CancellationToken {
        self.0.signal.token()
    }

    /// Logs an event about this run: a user-defined kind, and data. Returns at once.
    ///
    /// It is written soon, at the latest with the end of the run. It is dropped if events are off, if their storage
    /// fails, if a thousand events of the run are waiting, or if the process crashes. Error `is_invalid` for a bad
    /// kind, such as one that OmniQ logs itself, or for bad data; there are no other errors.
    pub fn log_event(&self, kind: &str, data: Map<String, Value>) -> Result<()> {
        let kind: EventKind = kind.parse()?;
        if !matches!(kind, EventKind::Custom(_)) {
            return Err(Error::invalid(format!(
                "the event kind {kind} is refused: OmniQ logs it by itself, and counts by it; give a name of your own"
            )));
        }
        let mut event = TaskEvent::of(self.task(), kind).worker(self.worker());
        event.data = data;
        event.check()?;
        self.0.origin.outbox.event(event);
        Ok(())
    }

    pub(crate) fn stop(&self, reason: StopReason) {
        self.0.signal.stop(reason);
    }
}
