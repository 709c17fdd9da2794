//! The dequeue of a queue object itself: its own worker, whose lease it keeps, claims tasks and waits for some.

use async_trait::async_trait;
use tokio::time::Instant;

use super::{QueueMaintenance, WorkerQueue};
use crate::model::*;
use crate::{Result, verbs};

/// How many tasks a rescue takes back at a time.
const RESCUE: u32 = 500;

/// What it needs besides the verbs of workers and upkeep.
#[async_trait]
pub(super) trait Settles: WorkerQueue + QueueMaintenance {
    /// Settles runs, each by itself.
    async fn settle_each(&self, batch: &[Settlement]) -> Result<Vec<Settled>>;
}

pub(super) async fn dequeue<Q: Settles + ?Sized>(queue: &Q, request: Dequeue) -> Result<Vec<Task>> {
    request.check()?;
    let worker = own_worker(queue, &request.queues).await?;
    match claim_or_wait(queue, worker, &request).await {
        // The lease ended unnoticed, as during a long suspension of the process: start over with a new one.
        Err(error) if error.is_claim_lost() => {
            queue.self_lease().forget(worker).await;
            let worker = own_worker(queue, &request.queues).await?;
            claim_or_wait(queue, worker, &request).await
        }
        answer => answer,
    }
}

/// The worker of this queue object, registered at its first dequeue.
async fn own_worker<Q: Settles + ?Sized>(queue: &Q, queues: &[String]) -> Result<WorkerId> {
    let start = |info: WorkerInfo| async move { queue.start_lease(&info).await };
    queue.self_lease().worker(queues, start).await
}

/// Claims tasks. If there are none, waits for them up to the request's timeout.
async fn claim_or_wait<Q: Settles + ?Sized>(
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
            queue.self_lease().has_claimed(&tasks).await;
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
                subscription.wait(deadline.saturating_duration_since(Instant::now()).min(verbs::POLL)).await
            }
        }
    }
}

/// Settles claimed tasks that the storage cannot read as failed, and returns the others: one bad row must not stop a
/// queue.
async fn without_unreadable<Q: Settles + ?Sized>(queue: &Q, claimed: Vec<Task>) -> Result<Vec<Task>> {
    if claimed.iter().all(|task| task.unreadable.is_none()) {
        return Ok(claimed);
    }
    let (bad, good): (Vec<_>, Vec<_>) = claimed.into_iter().partition(|task| task.unreadable.is_some());
    let batch: Vec<_> = bad
        .iter()
        .filter_map(|task| verbs::unreadable(task).map(|outcome| verbs::settlement(task, outcome)))
        .collect::<Result<_>>()?;
    if let Err(error) = queue.settle_each(&batch).await {
        // They stay held and return when the lease ends. The readable tasks are returned now.
        tracing::warn!(%error, "tasks that cannot be read could not be settled");
    }
    Ok(good)
}

/// Takes back tasks of lost workers, because no worker process may be there to do it. Returns whether any was taken
/// back. Without a backend there is no result and no event to write.
async fn rescue<Q: Settles + ?Sized>(queue: &Q) -> Result<bool> {
    let lost = queue.lost(RESCUE).await?;
    let batch: Vec<_> = lost
        .iter()
        .map(|lost| {
            let (task, outcome) = (&lost.task, verbs::after_loss(lost));
            // The task may be an application's, which counts on its callbacks.
            let enqueues = called_tasks(task, &outcome, outcome.error(), Some(&lost.worker));
            Settlement { enqueues, ..Settlement::new(task.id, task.claim, outcome) }
        })
        .collect();
    Ok(!batch.is_empty() && queue.settle_each(&batch).await?.contains(&Settled::Done))
}
