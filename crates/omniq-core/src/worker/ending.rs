//! Turns the end of a run into the settlement of its task.

use std::time::Duration;

use super::tight_loops;
use crate::backend::Report;
use crate::handler::{Answer, Context, Failure, FailureAnswer, StopReason};
use crate::model::*;
use crate::verbs::after_failure;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ending {
    Answered(Answer),
    Panicked(TaskError),
    Stopped(StopReason),
}

/// The settlement to be written. `None` after the loss of the lease, when nothing may be written.
pub(super) fn settlement(context: &Context, ending: Ending) -> Option<Settlement> {
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
        Ending::Answered(Err(failure)) => match failure.0 {
            FailureAnswer::Error(error) => failed(context, error),
            FailureAnswer::Fatal(error) => {
                log_failed(context, &error, None);
                Outcome::Fail { error }
            }
            FailureAnswer::Retry { delay, error, unlimited } => again(context, delay, error, unlimited),
            FailureAnswer::Snooze { delay } => Outcome::Snooze { delay },
            FailureAnswer::Discard { reason: why } => {
                reason = why;
                Outcome::Discard
            }
        },
        Ending::Panicked(error) => {
            tracing::error!(task = %task.id, func = task.func, message = error.message, "a handler panicked");
            failed(context, error)
        }
        Ending::Stopped(StopReason::Timeout) => {
            let timeout = task.timeout.unwrap_or_default();
            failed(context, TaskError::new("timeout", format!("the run took longer than {timeout:?}")))
        }
        Ending::Stopped(StopReason::Cancelled) => Outcome::Cancel,
        Ending::Stopped(StopReason::Shutdown) => Outcome::Release,
        Ending::Stopped(StopReason::LeaseLost) => return None,
    };
    let outcome = tight_loops::slowed(task, outcome);
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

fn failed(context: &Context, error: TaskError) -> Outcome {
    let outcome = after_failure(context.task(), error);
    match &outcome {
        Outcome::RetryLater { delay, error: Some(error) } => log_failed(context, error, Some(*delay)),
        Outcome::Fail { error } => log_failed(context, error, None),
        _ => {}
    }
    outcome
}

/// The outcome of a handler that asked for another run.
fn again(context: &Context, delay: Option<Duration>, error: Option<TaskError>, unlimited: bool) -> Outcome {
    let task = context.task();
    if unlimited || task.may_retry() {
        return Outcome::RetryLater {
            delay: delay.unwrap_or_else(|| task.backoff.delay(task.attempt)),
            error,
        };
    }
    let error =
        error.unwrap_or_else(|| TaskError::new("retry", "another run was asked for, and no retry is left"));
    log_failed(context, &error, None);
    Outcome::Fail { error }
}

fn log_failed(context: &Context, error: &TaskError, retry_in: Option<Duration>) {
    // The task may have completed; this is logged once it is known that it has not.
    if context.completed_inside() {
        return;
    }
    let Task { id, func, attempt, .. } = context.task();
    // Not the message, because it can hold arguments.
    match retry_in {
        Some(retry_in) => {
            tracing::warn!(task = %id, func, attempt, error = error.kind, ?retry_in, "run failed, will be retried");
        }
        None => tracing::warn!(task = %id, func, attempt, error = error.kind, "task failed for good"),
    }
}
