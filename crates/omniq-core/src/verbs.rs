//! What the interfaces' verbs have in common for every storage: how tasks are settled after a failure or a loss, and steps of
//! clean-up.

use std::time::Duration;

use crate::model::*;
use crate::{Error, Result};

/// How often an idle worker claims without a notification: notifications can be lost, and some connections have none.
pub(crate) const POLL: Duration = Duration::from_millis(500);

/// The most entries that one step of clean-up removes, so that its transaction is short and holds up no other.
pub(crate) const STEP: u32 = 500;
/// The most steps in a row, so that a large backlog delays nothing else.
const STEPS: u32 = 10;

/// Repeats `step` until one removes less than [`STEP`], at most [`STEPS`] times.
pub(crate) async fn in_steps<F: Future<Output = Result<u64>>>(step: impl Fn(u32) -> F) -> Result<()> {
    for _ in 0..STEPS {
        if step(STEP).await? < u64::from(STEP) {
            break;
        }
    }
    Ok(())
}

pub(crate) fn only<T>(mut answers: Vec<T>) -> Result<T> {
    answers.pop().ok_or_else(|| Error::internal("the storage gave no answer to a call for one task"))
}

/// The error of a verb that has changed some tasks before it failed: the message says how many. An error that means that
/// nothing was done would be untrue.
pub fn in_part(done: u64, what: &str, error: Error) -> Error {
    if done == 0 {
        return error;
    }
    partly(format!("{done} tasks were {what} before it failed"), error)
}

/// The same for a cancel.
pub(crate) fn cancelled_in_part(counts: CancelCounts, error: Error) -> Error {
    in_part(counts.done + counts.requested, "cancelled or asked to stop", error)
}

/// The error with what was done before it.
pub(crate) fn partly(what: String, error: Error) -> Error {
    if error.is_pool_timeout() || error.is_undone() {
        return Error::unavailable(format!("{what}: {error}")).with_source(error);
    }
    error.context(what)
}

pub(crate) fn wait_over(id: TaskId, timeout: Duration) -> Error {
    Error::timeout(format!("no result of task {id} within {timeout:?}: it may still come, wait longer"))
}

/// The outcome of a claimed task that the storage cannot read, which is logged; `None` if it can be read.
pub(crate) fn unreadable(task: &Task) -> Option<Outcome> {
    let what = task.unreadable.as_ref()?;
    tracing::error!(task = %task.id, func = task.func, what, "a task cannot be read: it fails for good");
    Some(Outcome::Fail { error: TaskError::unreadable(what) })
}

pub(crate) fn queue_closed() -> Error {
    Error::closed("the task queue is closed: open a new one")
}

pub(crate) fn without_result(id: TaskId) -> Error {
    Error::not_found(format!(
        "task {id} has left no result: it was deleted while it was waited for, or has ended where no results are kept"
    ))
}

/// The refusal of a transaction of the user, by a storage that none reaches.
pub(crate) fn without_transactions(storage: &str) -> Error {
    Error::invalid(format!(
        "the {storage} is not on PostgreSQL: no transaction of a connection reaches it; make the call without a connection"
    ))
}

/// The refusal of tasks with keys, by a queue that has none.
pub fn refuse_unique(tasks: &[NewTask]) -> Result<()> {
    match tasks.iter().find(|task| task.unique.is_some()) {
        Some(task) => Err(Error::invalid(format!(
            "a task for {:?} is unique, and this queue keeps no keys: leave `unique` out, or use a queue that has them",
            task.func
        ))),
        None => Ok(()),
    }
}

pub(crate) fn settlement(task: &Task, outcome: Outcome) -> Result<Settlement> {
    Ok(Settlement::new(task.id, Some(task.held()?), outcome))
}

/// The settlements of tasks that are held.
pub(crate) fn settlements<'a>(
    tasks: impl IntoIterator<Item = (&'a Task, Outcome)>,
) -> Result<Vec<Settlement>> {
    tasks.into_iter().map(|(task, outcome)| settlement(task, outcome)).collect()
}

/// The outcome of a failure: another run after the task's backoff, or a dead letter.
pub(crate) fn after_failure(task: &Task, error: TaskError) -> Outcome {
    if task.may_retry() {
        Outcome::RetryLater { delay: task.backoff.delay(task.attempt), error: Some(error) }
    } else {
        Outcome::Fail { error }
    }
}

/// The outcome of the loss of a task's worker: another run at once, or a dead letter. The attempt counts, so that a
/// task that kills its workers ends as a dead letter.
pub(crate) fn after_loss(lost: &Lost) -> Outcome {
    if lost.cancelled {
        return Outcome::Cancel;
    }
    let worker = &lost.worker;
    let error = TaskError::new("worker_lost", format!("worker {worker} was lost during the run"));
    match after_failure(&lost.task, error) {
        Outcome::RetryLater { error, .. } => Outcome::RetryLater { delay: Duration::ZERO, error },
        last => last,
    }
}

/// The same with the state in which it leaves the task.
pub(crate) fn failed(task: &Task, error: TaskError) -> (Outcome, TaskState) {
    let outcome = after_failure(task, error);
    let state = if matches!(outcome, Outcome::Fail { .. }) { TaskState::Dead } else { TaskState::Scheduled };
    (outcome, state)
}

/// The settlements of tasks that have failed, and the states in which they leave them.
pub(crate) fn failures(failed: Vec<(Task, TaskError)>) -> Result<(Vec<Settlement>, Vec<TaskState>)> {
    let mut batch = Vec::with_capacity(failed.len());
    let mut states = Vec::with_capacity(failed.len());
    for (task, error) in failed {
        let (outcome, state) = self::failed(&task, error);
        states.push(state);
        batch.push(settlement(&task, outcome)?);
    }
    Ok((batch, states))
}
