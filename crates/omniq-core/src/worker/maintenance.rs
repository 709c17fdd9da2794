//! Maintenance, which every worker does beside its work: takes back tasks of lost workers, and removes what is expired
//! or old.

use std::collections::BTreeSet;
use std::time::Duration;

use super::outage::Outage;
use crate::Result;
use crate::backend::{Backend, Report};
use crate::model::*;
use crate::verbs::{self, STEP};

/// The most tasks and workers that one log line names.
const NAMED: usize = 5;
/// In how many intervals a step is made that is not urgent.
const RARELY: u32 = 15;

/// Runs until it is dropped, which may be at any time. The steps are independent: one that waits holds up no other.
/// `declares`: whether the worker's application may have schedules in its code.
pub(super) async fn run(backend: Backend, interval: Duration, declares: bool) {
    let events = async {
        if let Some(store) = backend.events() {
            let pass = || store.maintain(backend.event_ttl());
            now_and_then("maintenance of the events", interval, pass).await;
        }
    };
    let schedules = async {
        if let (true, Some(schedules)) = (declares, backend.schedules()) {
            let pass = async || schedules.remove_undeclared().await.map(drop);
            now_and_then("the removal of schedules that have left the code", interval * RARELY, pass).await;
        }
    };
    tokio::join!(
        now_and_then("the rescue of tasks of lost workers", interval, || rescue(&backend)),
        now_and_then("the expiry of tasks", interval, || expire(&backend)),
        now_and_then("the end of tasks that wait for others that have failed", interval, || backend
            .end_broken()),
        now_and_then("the removal of old tasks", interval, || prune(&backend)),
        now_and_then("the upkeep of the queue", interval, || backend.queue().maintain()),
        now_and_then("maintenance of the results", interval, || results(&backend)),
        events,
        schedules,
    );
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
        // The wait is random, so that workers that were started together do not do this at the same time.
        tokio::time::sleep(interval.mul_f64(rand::random_range(0.75..1.25))).await;
    }
}

/// One round of the steps for tasks and results. Returns the first error of those that failed.
pub(super) async fn pass(backend: &Backend) -> Result<()> {
    let upkeep = backend.queue().maintain();
    let (rescued, expired, pruned, kept, cleared) =
        tokio::join!(rescue(backend), expire(backend), prune(backend), upkeep, results(backend));
    rescued.and(expired).and(pruned).and(kept).and(cleared).and(backend.end_broken().await)
}

async fn prune(backend: &Backend) -> Result<()> {
    verbs::in_steps(|limit| backend.queue().prune(limit)).await
}

async fn results(backend: &Backend) -> Result<()> {
    match backend.results() {
        Some(results) => results.maintain(backend.result_ttl()).await,
        None => Ok(()),
    }
}

async fn rescue(backend: &Backend) -> Result<()> {
    loop {
        let lost = backend.queue().lost(STEP).await?;
        let batch: Vec<_> = lost
            .iter()
            .map(|lost| {
                let (task, worker) = (&lost.task, &lost.worker);
                let outcome = verbs::after_loss(lost);
                let kind = matches!(outcome, Outcome::RetryLater { .. }).then_some(EventKind::Rescued);
                backend.record(Report { worker: Some(worker), kind, ..Report::new(task, outcome) })
            })
            .collect();
        let settled = backend.settle(&batch, SettleMode::Each).await?;
        tell_rescued(&lost, &settled);
        if !is_more(lost.len(), &settled) {
            return Ok(());
        }
    }
}

/// Logs one line for all tasks that were taken back, without those that another worker took back meanwhile.
fn tell_rescued(lost: &[Lost], settled: &[Settled]) {
    let rescued: Vec<&Lost> = lost
        .iter()
        .zip(settled)
        .filter(|(_, settled)| **settled == Settled::Done)
        .map(|(lost, _)| lost)
        .collect();
    if rescued.is_empty() {
        return;
    }
    let tasks: Vec<String> = rescued.iter().take(NAMED).map(|lost| lost.task.id.to_string()).collect();
    let workers: BTreeSet<&str> = rescued.iter().map(|lost| lost.worker.as_str()).collect();
    let workers: Vec<&str> = workers.into_iter().take(NAMED).collect();
    tracing::warn!(count = rescued.len(), ?workers, first = ?tasks, "their workers were lost: tasks taken back");
}

async fn expire(backend: &Backend) -> Result<()> {
    loop {
        let expired = backend.queue().expired(STEP).await?;
        let batch: Vec<_> =
            expired.iter().map(|task| backend.record(Report::new(task, Outcome::Expire))).collect();
        if !is_more(expired.len(), &backend.settle(&batch, SettleMode::Each).await?) {
            return Ok(());
        }
    }
}

/// After a full step there may be more. If none of it could be settled, other workers are settling the same tasks, and
/// this one leaves the rest to them.
fn is_more(found: usize, settled: &[Settled]) -> bool {
    found >= STEP as usize && settled.contains(&Settled::Done)
}
