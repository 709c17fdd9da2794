//! `omniq tasks cancel` and `retry`.

use omniq::{Cancelled, TaskId};

use super::super::with_backend;
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::Output;

pub async fn cancel(ids: &[TaskId], global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let answers = backend.cancel_many(ids).await?;
        let word = |answer: &Cancelled| match answer {
            Cancelled::Done => "cancelled",
            Cancelled::Requested => "asked to stop",
            Cancelled::NotFound => "not found",
        };
        if out.is_json() {
            let answers = ids.iter().zip(&answers);
            let answers = answers.map(
                |(id, answer)| serde_json::json!({ "id": id, "outcome": word(answer).replace(' ', "_") }),
            );
            out.json(&answers.collect::<Vec<_>>())?;
        } else {
            for (id, answer) in ids.iter().zip(&answers) {
                out.line(format!("{id}  {}", word(answer)))?;
            }
        }
        let missing = answers.iter().filter(|answer| **answer == Cancelled::NotFound).count();
        if missing == 0 {
            return Ok(());
        }
        Err(Failure::not_found(format!("{missing} of {} are neither waiting nor running", ids.len())))
    })
    .await
}

pub async fn retry(ids: &[TaskId], global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        backend.queue().retry_many(ids).await?;
        if out.is_json() {
            return out.json(&serde_json::json!({ "retried": ids }));
        }
        out.line(match ids {
            [id] => format!("{id} is ready."),
            _ => format!("{} tasks are ready.", ids.len()),
        })
    })
    .await
}
