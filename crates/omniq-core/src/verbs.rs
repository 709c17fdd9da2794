//! Verbs of the interfaces that are implemented by other verbs, the same for every storage.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::*;
use crate::port::TaskQueue;
use crate::{Error, Result};

/// How often an idle worker claims without a notification: notifications can be lost, and some connections have none.
pub(crate) const POLL: Duration = Duration::from_millis(500);

/// How many tasks a rescue takes back at a time.
const RESCUE: u32 = 500;

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

pub(crate) fn wait_over(id: TaskId, timeout: Duration) -> Error {
    Error::timeout(format!("no result of task {id} within {timeout:?}: it may still come, wait longer"))
}

/// Claims tasks. If there are none, waits for them up to the request's timeout.
pub(crate) async fn claim_or_wait<Q: TaskQueue + ?Sized>(
    queue: &Q,
    worker: WorkerId,
    request: &Dequeue,
) -> Result<Vec<Task>> {
    let deadline = Instant::now() + request.timeout;
    let mut subscription = None;
    loop {
        let claimed = queue.claim(worker, request).await?;
        let some = !claimed.is_empty();
        let tasks = without_unreadable(queue, claimed).await?;
        if !tasks.is_empty() {
            return Ok(tasks);
        }
        if some {
            continue;
        }
        if queue.self_lease().rescue_is_due() && rescue(queue).await? {
            continue;
        }
        if Instant::now() >= deadline {
            return Ok(tasks);
        }
        match &mut subscription {
            // Claim once more before the wait: what became ready before the subscription has notified nothing.
            None => subscription = Some(queue.subscribe(worker, &request.queues).await?),
            Some(subscription) => {
                subscription.wait(deadline.saturating_duration_since(Instant::now()).min(POLL)).await
            }
        }
    }
}

/// Settles claimed tasks that the storage cannot read as failed, and returns the others: one bad row must not stop a
/// queue.
async fn without_unreadable<Q: TaskQueue + ?Sized>(queue: &Q, claimed: Vec<Task>) -> Result<Vec<Task>> {
    if claimed.iter().all(|task| task.unreadable.is_none()) {
        return Ok(claimed);
    }
    let (bad, good): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|task| task.unreadable.is_some());
    let batch = bad
        .iter()
        .filter_map(|task| unreadable(task).map(|outcome| settlement(task, outcome)))
        .collect::<Result<_>>()?;
    if let Err(error) = queue.settle(batch, SettleMode::Each).await {
        // They stay held and return when the lease ends. The readable tasks are returned now.
        tracing::warn!(%error, "tasks that cannot be read could not be settled");
    }
    Ok(good)
}

/// The outcome of a claimed task that the storage cannot read, which is logged; `None` if it can be read.
pub(crate) fn unreadable(task: &Task) -> Option<Outcome> {
    let what = task.unreadable.as_ref()?;
    tracing::error!(task = %task.id, func = task.func, what, "a task cannot be read: it fails for good");
    Some(Outcome::Fail { error: TaskError::unreadable(what) })
}

/// Takes back tasks of lost workers, because no worker process may be there to do it. Returns whether any was taken
/// back. Without a backend there is no result and no event to write.
async fn rescue<Q: TaskQueue + ?Sized>(queue: &Q) -> Result<bool> {
    let lost = queue.lost(RESCUE).await?;
    let batch: Vec<_> = lost
        .iter()
        .map(|lost| settlement(&lost.task, after_loss(&lost.task, &lost.worker)))
        .collect::<Result<_>>()?;
    Ok(!batch.is_empty() && queue.settle(batch, SettleMode::Each).await?.contains(&Settled::Done))
}

pub(crate) async fn dequeue<Q: TaskQueue + ?Sized>(queue: &Q, request: Dequeue) -> Result<Vec<Task>> {
    request.check()?;
    let worker = queue.self_lease().worker(queue, &request.queues).await?;
    match claim_or_wait(queue, worker, &request).await {
        // The lease ended unnoticed, as during a long suspension of the process: start over with a new one.
        Err(error) if error.is_claim_lost() => {
            queue.self_lease().forget(worker).await;
            let worker = queue.self_lease().worker(queue, &request.queues).await?;
            claim_or_wait(queue, worker, &request).await
        }
        answer => answer,
    }
}

fn settlement(task: &Task, outcome: Outcome) -> Result<Settlement> {
    Ok(Settlement { task_id: task.id, claim: Some(task.held()?), outcome, result: None, events: Vec::new() })
}

pub(crate) async fn settle_one<Q: TaskQueue + ?Sized>(
    queue: &Q,
    task: &Task,
    outcome: Outcome,
) -> Result<()> {
    settle_all(queue, std::iter::once((task, outcome))).await
}

pub(crate) async fn settle_all<Q: TaskQueue + ?Sized>(
    queue: &Q,
    tasks: impl Iterator<Item = (&Task, Outcome)> + Send,
) -> Result<()> {
    let batch: Vec<_> = tasks.map(|(task, outcome)| settlement(task, outcome)).collect::<Result<_>>()?;
    if !batch.is_empty() {
        queue.settle(batch, SettleMode::All).await?;
    }
    Ok(())
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
pub(crate) fn after_loss(task: &Task, worker: &str) -> Outcome {
    let error = TaskError::new("worker_lost", format!("worker {worker} was lost during the run"));
    match after_failure(task, error) {
        Outcome::RetryLater { error, .. } => Outcome::RetryLater { delay: Duration::ZERO, error },
        last => last,
    }
}

pub(crate) async fn fail<Q: TaskQueue + ?Sized>(
    queue: &Q,
    failed: Vec<(Task, TaskError)>,
) -> Result<Vec<TaskState>> {
    let mut batch = Vec::with_capacity(failed.len());
    let mut states = Vec::with_capacity(failed.len());
    for (task, error) in failed {
        let outcome = after_failure(&task, error);
        states.push(match outcome {
            Outcome::Fail { .. } => TaskState::Dead,
            _ => TaskState::Scheduled,
        });
        batch.push(settlement(&task, outcome)?);
    }
    if !batch.is_empty() {
        queue.settle(batch, SettleMode::All).await?;
    }
    Ok(states)
}
