//! `omniq tasks cancel` and `retry`.

use omniq::backend::postgres::AsyncPostgresBackend;
use omniq::{Cancelled, TaskId, TaskState};

use super::super::with_backend;
use super::choice::Choice;
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, count};

pub async fn cancel(choice: &Choice, global: &Global, out: &Output) -> Result<()> {
    let states = choice.states(&[TaskState::Scheduled, TaskState::Ready, TaskState::Running], 3)?;
    let ids = choice.ids()?;
    with_backend(global, out, async |backend| {
        let mut answers = Vec::new();
        match &ids {
            Some(ids) => answers.extend(ids.iter().copied().zip(backend.cancel_many(ids).await?)),
            None => {
                choice
                    .each_page(&backend, &states, async |page| {
                        let outcomes = backend.cancel_many(&page).await?;
                        answers.extend(page.into_iter().zip(outcomes));
                        Ok(())
                    })
                    .await?;
            }
        }
        let number = |wanted| answers.iter().filter(|(_, answer)| *answer == wanted).count();
        let missing = number(Cancelled::NotFound);
        if out.is_json() {
            let records = answers.iter().map(
                |(id, answer)| serde_json::json!({ "id": id, "outcome": word(*answer).replace(' ', "_") }),
            );
            out.json(&records.collect::<Vec<_>>())?;
        } else if ids.is_some() {
            for (id, answer) in &answers {
                out.line(format!("{id}  {}", word(*answer)))?;
            }
        } else {
            let told = [Cancelled::Done, Cancelled::Requested]
                .map(|answer| format!("{} {}", count(number(answer) as u64), word(answer)));
            out.line(format!("{}.", told.join(", ")))?;
        }
        // With `--all`, a task that ended since it was listed is no error: it no longer needs the cancel.
        if missing == 0 || ids.is_none() {
            return Ok(());
        }
        Err(Failure::not_found(format!("{missing} of {} are neither waiting nor running", answers.len())))
    })
    .await
}

fn word(answer: Cancelled) -> &'static str {
    match answer {
        Cancelled::Done => "cancelled",
        Cancelled::Requested => "asked to stop",
        Cancelled::NotFound => "not found",
    }
}

pub async fn retry(choice: &Choice, global: &Global, out: &Output) -> Result<()> {
    let states = choice.states(&[TaskState::Dead, TaskState::Scheduled], 1)?;
    let ids = choice.ids()?;
    with_backend(global, out, async |backend| {
        let mut retried = Vec::new();
        match &ids {
            Some(ids) => {
                backend.queue().retry_many(ids).await?;
                retried.clone_from(ids);
            }
            None => {
                choice
                    .each_page(&backend, &states, async |page| {
                        retried.extend(retry_page(&backend, page).await?);
                        Ok(())
                    })
                    .await?;
            }
        }
        if out.is_json() {
            return out.json(&serde_json::json!({ "retried": retried }));
        }
        out.line(match retried.as_slice() {
            [id] => format!("{id} is ready."),
            all => format!("{} tasks are ready.", count(all.len() as u64)),
        })
    })
    .await
}

/// Retries the tasks that are still dead or scheduled, because others may act on them at the same time.
async fn retry_page(backend: &AsyncPostgresBackend, page: Vec<TaskId>) -> Result<Vec<TaskId>> {
    let has_changed = |error: &omniq::Error| error.is_not_found() || error.is_conflict();
    match backend.queue().retry_many(&page).await {
        Ok(()) => return Ok(page),
        Err(error) if has_changed(&error) => {}
        Err(error) => return Err(error.into()),
    }
    let mut retried = Vec::new();
    for id in page {
        match backend.queue().retry(id).await {
            Ok(()) => retried.push(id),
            Err(error) if has_changed(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(retried)
}
