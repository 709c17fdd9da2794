//! Runs: executors, each of which holds a slot and begins the next task as soon as a run has ended; the run itself, with its
//! timeout, panic and stop; and the settlement that its end becomes, which goes to the outbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Instrument;

use super::handed_back::HandedBack;
use super::local_queue::{Entry, LocalQueue, Slot};
use super::prefetch::RunTimes;
use super::run_log::RunLog;
use super::tally::Tally;
use super::tight_loops;
use crate::backend::Report;
use crate::handler::{
    Answer, CatchPanic, Context, Failure, FailureAnswer, Handler, Origin, Registry, Shape, StopReason, catch,
};
use crate::model::*;
use crate::verbs::after_failure;

/// What all executors of a session need.
pub(super) struct Executors {
    pub(super) registry: Registry,
    pub(super) origin: Arc<Origin>,
    pub(super) times: Arc<RunTimes>,
    pub(super) local_queue: LocalQueue,
    pub(super) handed_back: Arc<HandedBack>,
    pub(super) tally: Arc<Tally>,
    pub(super) log: RunLog,
}

impl Executors {
    /// Starts an executor for each free slot that there is a task for.
    pub(super) fn start(self: &Arc<Self>) {
        while !self.tally.is_full()
            && let Some((slot, entry, context, handler)) = self.local_queue.begin(|task| self.run_of(task))
        {
            tokio::spawn(Arc::clone(self).work(slot, Run { context, handler, entry }));
        }
    }

    /// Runs this task, and then one after the other, until none is buffered.
    async fn work(self: Arc<Self>, slot: Slot, first: Run) {
        let mut next = Some(first);
        while let Some(run) = next {
            run.go(&self).await;
            if self.tally.is_full() {
                break;
            }
            let begun = self.local_queue.next(|task| self.run_of(task));
            next = begun.map(|(entry, context, handler)| Run { context, handler, entry });
        }
        drop(slot);
    }

    fn run_of(&self, task: Task) -> Option<(Context, Handler)> {
        let Some(handler) = self.registry.get(&task.func).cloned() else {
            // The claim asked for registered functions only. This is the storage's fault, and the task must not fail
            // for it.
            tracing::error!(task = %task.id, func = task.func, "no such handler; left until this worker stops");
            return None;
        };
        Some((Context::new(task, Arc::clone(&self.origin)), handler))
    }
}

/// A run that is about to begin.
struct Run {
    context: Context,
    handler: Handler,
    /// Its entry in the local queue, which ends with it.
    entry: Entry,
}

impl Run {
    async fn go(self, shared: &Executors) {
        let outbox = &shared.origin.outbox;
        let task = self.context.task();
        let Task { id, func, queue, attempt, .. } = task;
        // Of the highest level, so that what a handler logs has these fields wherever it shows.
        let span = tracing::error_span!("run", task = %id, func, queue, attempt);
        if outbox.events_on() {
            outbox.event(TaskEvent::of(task, EventKind::Started).worker(self.context.worker()));
        }
        let begun = Instant::now();
        let ending = match &self.handler.shape {
            Shape::Async(function) => {
                let context = self.context.clone();
                match span.in_scope(|| catch(|| function(context))) {
                    Ok(future) => run_async(future, &self.context).instrument(span).await,
                    Err(panic) => Ending::Panicked(panic),
                }
            }
            Shape::Cooperative(function) => {
                let context = self.context.clone();
                match span.in_scope(|| catch(|| function(context))) {
                    Ok(future) => run_cooperative(future, &self.context).instrument(span).await,
                    Err(panic) => Ending::Panicked(panic),
                }
            }
            Shape::Blocking(function) => {
                let (function, context) = (Arc::clone(function), self.context.clone());
                let work = move || span.in_scope(|| catch(|| function(context)));
                match run_blocking(work, &self.context).await {
                    Some(ending) => ending,
                    // The runtime is shutting down and has not begun it.
                    None => return,
                }
            }
        };
        let took = begun.elapsed();
        shared.times.ended(took);
        let settlement = settlement(&self.context, ending, shared.log);
        let outcome = settlement.as_ref().map(|settlement| &settlement.outcome);
        // Unless it is rolled back, the end that follows is refused.
        let outcome = if self.context.completed_inside() { Some(&Outcome::Complete) } else { outcome };
        shared.tally.count(outcome);
        if let Some(settlement) = settlement {
            shared.handed_back.add(task, &settlement.outcome);
            shared.log.ended(&self.context, &settlement.outcome, took);
            outbox.ended(settlement, self.context.completed_inside()).await;
        }
        drop(self.entry);
    }
}

/// If the handler's answer is ready when the run is stopped, the answer counts.
async fn run_async(future: impl Future<Output = Answer> + Unpin, context: &Context) -> Ending {
    tokio::select! {
        biased;
        answer = CatchPanic::new(future) => match answer {
            Ok(answer) => Ending::Answered(answer),
            Err(panic) => Ending::Panicked(panic),
        },
        reason = context.cancelled() => Ending::Stopped(reason),
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            Ending::Stopped(StopReason::Timeout)
        }
    }
}

/// A thread cannot be stopped from outside: the function is asked to stop, and its end is waited for.
async fn run_blocking(
    work: impl FnOnce() -> Result<Answer, TaskError> + Send + 'static,
    context: &Context,
) -> Option<Ending> {
    let mut thread = tokio::task::spawn_blocking(work);
    let answer = tokio::select! {
        biased;
        answer = &mut thread => answer,
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            thread.await
        }
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_cancelled() => return None,
        Err(_) => {
            return Some(Ending::Panicked(TaskError::new(
                "panic",
                "the handler's thread ended without an answer",
            )));
        }
    };
    Some(ending_of_cooperative(answer, context))
}

/// The function is asked to stop, and its end is waited for.
async fn run_cooperative(future: impl Future<Output = Answer> + Unpin, context: &Context) -> Ending {
    let mut future = CatchPanic::new(future);
    let answer = tokio::select! {
        biased;
        answer = &mut future => answer,
        () = time_over(context) => {
            context.stop(StopReason::Timeout);
            future.await
        }
    };
    ending_of_cooperative(answer, context)
}

fn ending_of_cooperative(answer: Result<Answer, TaskError>, context: &Context) -> Ending {
    match (answer, context.stop_reason()) {
        // A value counts even if the worker's stop was signalled to the run. Any other answer after a stop counts as
        // the stop.
        (Ok(Ok(value)), None | Some(StopReason::Shutdown)) => Ending::Answered(Ok(value)),
        (_, Some(reason)) => Ending::Stopped(reason),
        (Ok(answer), None) => Ending::Answered(answer),
        (Err(panic), None) => Ending::Panicked(panic),
    }
}

async fn time_over(context: &Context) {
    match context.deadline() {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// How a run ended.
#[derive(Debug)]
enum Ending {
    Answered(Answer),
    Panicked(TaskError),
    Stopped(StopReason),
}

/// The settlement to be written. `None` after the loss of the lease, when nothing may be written.
fn settlement(context: &Context, ending: Ending, log: RunLog) -> Option<Settlement> {
    let task = context.task();
    let ending = match ending {
        // It takes effect only after a rollback: after a commit the check of the claim refuses it.
        Ending::Answered(Ok(_)) if context.completed_inside() => Ending::Answered(Err(Failure::error(
            "rolled_back",
            "the transaction in which the run had completed its task was not committed",
        ))),
        Ending::Answered(Ok(Some(value))) => match too_large(context, &value) {
            Some(failure) => Ending::Answered(Err(failure)),
            None => Ending::Answered(Ok(Some(value))),
        },
        other => other,
    };
    let mut value = None;
    let mut reason = None;
    let outcome = match ending {
        Ending::Answered(Ok(returned)) => {
            value = returned;
            Outcome::Complete
        }
        Ending::Answered(Err(failure)) => match failure.answer {
            FailureAnswer::Error(error) => failed(context, error, log),
            FailureAnswer::Fatal(error) => {
                log.failed(context, &error, None);
                Outcome::Fail { error }
            }
            FailureAnswer::Retry { delay, error, unlimited } => again(context, delay, error, unlimited, log),
            FailureAnswer::Snooze { delay } => Outcome::Snooze { delay },
            FailureAnswer::Discard { reason: why } => {
                reason = why;
                Outcome::Discard
            }
        },
        Ending::Panicked(error) => failed(context, error, log),
        Ending::Stopped(StopReason::Timeout) => {
            let timeout = task.timeout.unwrap_or_default();
            failed(context, TaskError::new("timeout", format!("the run took longer than {timeout:?}")), log)
        }
        Ending::Stopped(StopReason::Cancelled) => Outcome::Cancel,
        Ending::Stopped(StopReason::Shutdown) => Outcome::Release,
        Ending::Stopped(StopReason::LeaseLost) => return None,
    };
    let outcome = match outcome {
        // A cancelled task does not go back to the queue, whatever its run has answered.
        Outcome::RetryLater { .. } | Outcome::Snooze { .. } | Outcome::Release
            if context.stop_reason() == Some(StopReason::Cancelled) =>
        {
            Outcome::Cancel
        }
        other => tight_loops::slowed(task, other),
    };
    let report = Report { value, reason, worker: Some(context.worker()), ..Report::new(task, outcome) };
    Some(context.backend().record(report))
}

/// The failure of a run whose value is too large for any storage. `None` where results are off, because the value is
/// ignored then.
fn too_large(context: &Context, value: &Payload) -> Option<Failure> {
    let backend = context.backend();
    backend.results()?;
    let checked = backend.limits().check_payload("result", &context.task().func, value);
    checked.err().map(|error| Failure::fatal("bad_result", error.message()))
}

fn failed(context: &Context, error: TaskError, log: RunLog) -> Outcome {
    let outcome = after_failure(context.task(), error);
    match &outcome {
        Outcome::RetryLater { delay, error: Some(error) } => log.failed(context, error, Some(*delay)),
        Outcome::Fail { error } => log.failed(context, error, None),
        _ => {}
    }
    outcome
}

/// The outcome of a handler that asked for another run.
fn again(
    context: &Context,
    delay: Option<Duration>,
    error: Option<TaskError>,
    unlimited: bool,
    log: RunLog,
) -> Outcome {
    let task = context.task();
    if unlimited || task.may_retry() {
        let delay = delay.unwrap_or_else(|| task.backoff.delay(task.attempt));
        if let Some(error) = &error {
            log.failed(context, error, Some(delay));
        }
        return Outcome::RetryLater { delay, error };
    }
    let error =
        error.unwrap_or_else(|| TaskError::new("retry", "another run was asked for, and no retry is left"));
    log.failed(context, &error, None);
    Outcome::Fail { error }
}
