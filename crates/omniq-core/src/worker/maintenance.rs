//! What every worker does beside its work: takes back the tasks of lost workers, and clears away what is over.

use std::collections::BTreeSet;
use std::time::Duration;

use super::outage::Outage;
use crate::Result;
use crate::backend::{Backend, Report};
use crate::model::*;
use crate::verbs::{self, STEP};

/// How many of many are named in the log.
const NAMED: usize = 5;

/// Goes on until it is dropped, which may be at any time.
pub(super) async fn run(backend: Backend, interval: Duration) {
    let tasks = now_and_then("maintenance", interval, || pass(&backend));
    let Some(events) = backend.events() else { return tasks.await };
    // By itself: events never hold up anything.
    let events = now_and_then("maintenance of the events", interval, || events.maintain(backend.event_ttl()));
    tokio::join!(tasks, events);
}

async fn now_and_then<F: Future<Output = Result<()>>>(
    what: &'static str,
    interval: Duration,
    pass: impl Fn() -> F,
) {
    let mut outage = Outage::new(what);
    loop {
        match pass().await {
            Ok(()) => outage.over(),
            Err(error) => {
                outage.failed(&error);
            }
        }
        // Workers that were started together should not look together.
        tokio::time::sleep(interval.mul_f64(rand::random_range(0.75..1.25))).await;
    }
}

/// One round.
pub(super) async fn pass(backend: &Backend) -> Result<()> {
    rescue(backend).await?;
    expire(backend).await?;
    verbs::in_steps(|limit| backend.queue().prune(limit)).await?;
    backend.queue().maintain().await?;
    if let Some(results) = backend.results() {
        results.maintain(backend.result_ttl()).await?;
    }
    Ok(())
}

async fn rescue(backend: &Backend) -> Result<()> {
    loop {
        let lost = backend.queue().lost(STEP).await?;
        tell_rescued(&lost);
        let batch = lost
            .iter()
            .map(|Lost { task, worker }| {
                let outcome = verbs::after_loss(task, worker);
                let kind = matches!(outcome, Outcome::RetryLater { .. }).then_some(EventKind::Rescued);
                backend.record(Report { worker: Some(worker), kind, ..Report::new(task, outcome) })
            })
            .collect();
        if !is_more(lost.len(), &backend.settle(batch, SettleMode::Each).await?) {
            return Ok(());
        }
    }
}

/// One line for all, however many they are.
fn tell_rescued(lost: &[Lost]) {
    if lost.is_empty() {
        return;
    }
    let tasks: Vec<String> = lost.iter().take(NAMED).map(|lost| lost.task.id.to_string()).collect();
    let workers: BTreeSet<&str> = lost.iter().map(|lost| lost.worker.as_str()).collect();
    let workers: Vec<&str> = workers.into_iter().take(NAMED).collect();
    tracing::warn!(count = lost.len(), ?workers, first = ?tasks, "their workers were lost: tasks taken back");
}

async fn expire(backend: &Backend) -> Result<()> {
    loop {
        let expired = backend.queue().expired(STEP).await?;
        let batch = expired.iter().map(|task| backend.record(Report::new(task, Outcome::Expire))).collect();
        if !is_more(expired.len(), &backend.settle(batch, SettleMode::Each).await?) {
            return Ok(());
        }
    }
}

/// After a full step there may be more; but if none of it could be settled, others are at it, and it is their turn.
fn is_more(found: usize, settled: &[Settled]) -> bool {
    found >= STEP as usize && settled.contains(&Settled::Done)
}
