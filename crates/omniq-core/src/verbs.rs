//! Verbs of the interfaces that are made from others, the same for every storage.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::*;
use crate::port::TaskQueue;
use crate::{Error, Result};

/// How often a sleeper looks although no bell rang: bells can be lost, and some connections have none.
pub(crate) const POLL: Duration = Duration::from_millis(500);

pub(crate) fn only<T>(mut answers: Vec<T>) -> Result<T> {
    answers.pop().ok_or_else(|| Error::internal("the storage gave no answer to a call for one task"))
}

pub(crate) fn wait_over(id: TaskId, timeout: Duration) -> Error {
    Error::timeout(format!("no result of task {id} within {timeout:?}: it may still come, wait longer"))
}

/// Claims, or sleeps until there is something to claim, up to the request's timeout.
pub(crate) async fn claim_or_wait<Q: TaskQueue + ?Sized>(
    queue: &Q,
    worker: WorkerId,
    request: &Dequeue,
) -> Result<Vec<Task>> {
    let deadline = Instant::now() + request.timeout;
    let mut bell = None;
    loop {
        let tasks = queue.claim(worker, request).await?;
        if !tasks.is_empty() || Instant::now() >= deadline {
            return Ok(tasks);
        }
        match &mut bell {
            // Looks once more before it sleeps: what became ready before the bell hung has rung for nobody.
            None => bell = Some(queue.doorbell(worker, &request.queues).await?),
            Some(bell) => bell.wait(deadline.saturating_duration_since(Instant::now()).min(POLL)).await,
        }
    }
}

pub(crate) async fn dequeue<Q: TaskQueue + ?Sized>(queue: &Q, request: Dequeue) -> Result<Vec<Task>> {
    request.check()?;
    let worker = queue.lease().worker(queue, &request.queues).await?;
    match claim_or_wait(queue, worker, &request).await {
        // The lease ended unnoticed, as after a long pause of the process: start over with a new one.
        Err(error) if error.is_claim_lost() => {
            queue.lease().forget(worker).await;
            let worker = queue.lease().worker(queue, &request.queues).await?;
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

/// What follows from a failure: another run after the task's backoff, or the end.
pub(crate) fn after_failure(task: &Task, error: TaskError) -> Outcome {
    if task.may_retry() {
        Outcome::RetryLater { delay: task.backoff.delay(task.attempt), error: Some(error) }
    } else {
        Outcome::Fail { error }
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
