//! `omniq tasks cancel`, `retry` and `delete`, of tasks by their ids.

use omniq::{Cancelled, TaskId};
use serde_json::json;

use super::super::with_backend;
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, count};

pub async fn cancel(ids: &[TaskId], global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let answers: Vec<_> = ids.iter().zip(backend.cancel_many(ids).await?).collect();
        if out.is_json() {
            let records = answers
                .iter()
                .map(|(id, answer)| json!({ "id": id, "outcome": word(*answer).replace(' ', "_") }));
            out.json(&records.collect::<Vec<_>>())?;
        } else {
            for (id, answer) in &answers {
                out.line(format!("{id}  {}", word(*answer)))?;
            }
        }
        let missing = answers.iter().filter(|(_, answer)| *answer == Cancelled::NotFound).count();
        if missing == 0 {
            return Ok(());
        }
        Err(Failure::not_found(format!("{missing} of {} are neither waiting nor running", answers.len())))
    })
    .await
}

pub fn word(answer: Cancelled) -> &'static str {
    match answer {
        Cancelled::Done => "cancelled",
        Cancelled::Requested => "asked to stop",
        Cancelled::NotFound => "not found",
    }
}

pub async fn retry(ids: &[TaskId], global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        backend.queue().retry_many(ids).await?;
        if out.is_json() {
            return out.json(&json!({ "retried": ids }));
        }
        out.line(match ids {
            [id] => format!("{id} is ready."),
            all => format!("{} tasks are ready.", count(all.len() as u64)),
        })
    })
    .await
}

pub async fn delete(ids: &[TaskId], global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        backend.queue().delete_many(ids).await?;
        if out.is_json() {
            return out.json(&json!({ "deleted": ids }));
        }
        out.line(match ids {
            [id] => format!("{id} is deleted."),
            all => format!("{} tasks are deleted.", count(all.len() as u64)),
        })
    })
    .await
}
