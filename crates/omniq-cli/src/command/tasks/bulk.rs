//! `omniq tasks cancel`, `retry`, `delete` and `purge`, of all tasks that a filter selects.

use omniq::backend::postgres::AsyncPostgresBackend;
use omniq::{Cancelled, TaskFilter, TaskState};
use serde_json::json;

use super::super::with_backend;
use super::act::word;
use super::sure::Sure;
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, count};

pub async fn cancel(filter: &TaskFilter, sure: &Sure, global: &Global, out: &Output) -> Result<()> {
    let counted = filter.for_cancel()?;
    with_backend(global, out, async |backend| {
        let matched = sum(&backend, &counted).await?;
        if !sure.confirm(matched, "cancelled, or asked to stop if it runs", out)? {
            return Ok(());
        }
        let counts = backend.cancel_all(filter).await?;
        if out.is_json() {
            return out.json(
                &json!({ "matched": matched, "cancelled": counts.done, "asked_to_stop": counts.requested }),
            );
        }
        let told = [(counts.done, Cancelled::Done), (counts.requested, Cancelled::Requested)];
        let told = told.map(|(number, answer)| format!("{} {}", count(number), word(answer)));
        out.line(format!("{}.", told.join(", ")))
    })
    .await
}

pub async fn retry(filter: &TaskFilter, sure: &Sure, global: &Global, out: &Output) -> Result<()> {
    let counted = filter.for_retry()?;
    with_backend(global, out, async |backend| {
        let matched = sum(&backend, &counted).await?;
        if !sure.confirm(matched, "retried", out)? {
            return Ok(());
        }
        let retried = backend.queue().retry_all(filter).await?;
        said(out, matched, "retried", retried, "ready")
    })
    .await
}

/// `purge`: all or none, else a page at a time.
pub async fn delete(
    filter: &TaskFilter,
    sure: &Sure,
    purge: bool,
    global: &Global,
    out: &Output,
) -> Result<()> {
    if filter.state == Some(TaskState::Running) {
        return Err(Failure::usage(
            "--state running is refused: a running task cannot be deleted; cancel it, or give another state",
        ));
    }
    with_backend(global, out, async |backend| {
        let all = backend.queue().count(filter).await?;
        let running = match filter.state {
            None => {
                let running = TaskFilter { state: Some(TaskState::Running), ..filter.clone() };
                backend.queue().count(&running).await?
            }
            Some(_) => 0,
        };
        let matched = all.saturating_sub(running);
        if !sure.confirm(matched, "deleted", out)? {
            return Ok(());
        }
        let deleted = match purge {
            true => backend.queue().purge(filter).await?,
            false => backend.queue().delete_all(filter).await?,
        };
        said(out, matched, "deleted", deleted, "deleted")
    })
    .await
}

async fn sum(backend: &AsyncPostgresBackend, filters: &[TaskFilter]) -> Result<u64> {
    let mut sum = 0;
    for filter in filters {
        sum += backend.queue().count(filter).await?;
    }
    Ok(sum)
}

fn said(out: &Output, matched: u64, verb: &str, changed: u64, now: &str) -> Result<()> {
    if out.is_json() {
        return out.json(&json!({ "matched": matched, verb: changed }));
    }
    out.line(match changed {
        1 => format!("1 task is {now}."),
        _ => format!("{} tasks are {now}.", count(changed)),
    })
}
