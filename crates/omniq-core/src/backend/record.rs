//! The settlement of a run, with the result and the event that belong to it.

use serde_json::json;

use std::time::Duration;

use crate::model::*;
use crate::verbs;

/// The end of a run, or of a waiting task.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) task: &'a Task,
    pub(crate) outcome: Outcome,
    /// The value that the handler returned.
    pub(crate) value: Option<Payload>,
    /// The reason, if the outcome itself has no field for it.
    pub(crate) reason: Option<TaskError>,
    /// The name of the worker that ran it.
    pub(crate) worker: Option<&'a str>,
    /// The event's kind, if the outcome alone does not determine it.
    pub(crate) kind: Option<EventKind>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(task: &'a Task, outcome: Outcome) -> Self {
        Self { task, outcome, value: None, reason: None, worker: None, kind: None }
    }

    /// Of a task that has completed.
    pub(super) fn completed(task: &'a Task, value: Option<Payload>) -> Self {
        Self { value, ..Self::new(task, Outcome::Complete) }
    }

    /// Of tasks that have failed, and the states in which it leaves them.
    pub(super) fn failed(failed: &'a [(Task, TaskError)]) -> (Vec<Self>, Vec<TaskState>) {
        let one = |(task, error): &'a (Task, TaskError)| {
            let (outcome, state) = verbs::failed(task, error.clone());
            (Self::new(task, outcome), state)
        };
        failed.iter().map(one).unzip()
    }
}

/// What a settlement carries beside the outcome.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) results: bool,
    pub(super) events: bool,
    pub(super) result_ttl: Option<Duration>,
    pub(super) keep_args: bool,
}

/// The settlement of a task under its claim (or, for a waiting one, under none).
pub(super) fn settlement(report: Report<'_>, recorded: Recorded) -> Settlement {
    let events = if recorded.events { vec![event(&report)] } else { Vec::new() };
    let error = reason(&report).cloned();
    let enqueues = called_tasks(report.task, &report.outcome, error.as_ref(), report.worker);
    let Report { task, outcome, value, worker, .. } = report;
    let result = status(&outcome).filter(|_| recorded.results).map(|status| {
        let mut result = TaskResult::of(task, status);
        (result.value, result.error, result.ttl) = (value, error, recorded.result_ttl);
        result.worker = worker.map(str::to_owned);
        result.args = recorded.keep_args.then(|| task.payload.clone());
        result
    });
    Settlement { task_id: task.id, claim: task.claim, outcome, result, events, enqueues }
}

fn status(outcome: &Outcome) -> Option<ResultStatus> {
    match outcome {
        Outcome::Complete => Some(ResultStatus::Completed),
        Outcome::Fail { .. } => Some(ResultStatus::Failed),
        Outcome::Cancel => Some(ResultStatus::Cancelled),
        Outcome::Discard => Some(ResultStatus::Discarded),
        Outcome::Expire => Some(ResultStatus::Expired),
        Outcome::RetryLater { .. } | Outcome::Release | Outcome::Snooze { .. } => None,
    }
}

fn reason<'a>(report: &'a Report<'_>) -> Option<&'a TaskError> {
    match &report.outcome {
        Outcome::Fail { error } => Some(error),
        Outcome::RetryLater { error: Some(error), .. } => Some(error),
        _ => report.reason.as_ref(),
    }
}

fn event(report: &Report<'_>) -> TaskEvent {
    let kind = report.kind.clone().unwrap_or(match &report.outcome {
        Outcome::Complete => EventKind::Completed,
        Outcome::Fail { .. } => EventKind::Failed,
        Outcome::RetryLater { .. } => EventKind::Retried,
        Outcome::Release => EventKind::Released,
        Outcome::Snooze { .. } => EventKind::Snoozed,
        Outcome::Cancel => EventKind::Cancelled,
        Outcome::Discard => EventKind::Discarded,
        Outcome::Expire => EventKind::Expired,
    });
    let mut event = TaskEvent::of(report.task, kind);
    event.worker = report.worker.map(str::to_owned);
    if let Some(error) = reason(report) {
        event = event.with("error", json!({ "type": error.kind, "message": error.message }));
    }
    if let Outcome::RetryLater { delay, .. } | Outcome::Snooze { delay } = &report.outcome {
        event = event.with("delay", delay.as_secs_f64());
    }
    event
}

/// The event of a task that is about to be enqueued; its id is set afterwards.
pub(super) fn enqueued(task: &NewTask) -> TaskEvent {
    let mut event = TaskEvent::new(EventKind::Enqueued);
    event.queue = Some(task.queue.clone());
    event.func = Some(task.func.clone());
    event.attempt = Some(0);
    event
}
