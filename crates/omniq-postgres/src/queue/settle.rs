//! The end of runs: one statement for a batch, with its results and events where they share the database.

use omniq_core::{Claim, Result, SettleMode, Settled, Settlement, TaskId};

use super::AsyncPostgresQueue;
use crate::batch::SettleBatch;
use crate::db::Param;
use crate::rows::Columns;

pub(super) async fn settle(
    queue: &AsyncPostgresQueue,
    settlements: Vec<Settlement>,
    mode: SettleMode,
) -> Result<Vec<Settled>> {
    if settlements.is_empty() {
        return Ok(Vec::new());
    }
    let claims: Vec<(TaskId, Option<Claim>)> = settlements.iter().map(|s| (s.task_id, s.claim)).collect();
    let batch = SettleBatch::new(settlements)?;
    let (results, events) = (&batch.results, &batch.events);
    let (with_results, with_events) = (!results.is_empty(), !events.is_empty());
    let all = mode == SettleMode::All;
    let values = results.values();

    let mut params: Vec<Param<'_>> = vec![
        &batch.ids,
        &batch.workers,
        &batch.numbers,
        &batch.outcomes,
        &batch.delays,
        &batch.errors,
        &queue.inner.keep_completed,
        &all,
    ];
    if with_results || with_events {
        params.extend([
            &results.ids as Param<'_>,
            &results.statuses,
            &results.codecs,
            &values,
            &results.errors,
            &results.queues,
            &results.funcs,
            &results.workers,
            &results.attempts,
            &results.metadata,
            &results.enqueued,
            &results.started,
            &results.finished,
            &results.ttls,
        ]);
    }
    if with_events {
        params.extend([
            &events.ats as Param<'_>,
            &events.kinds,
            &events.tasks,
            &events.queues,
            &events.funcs,
            &events.workers,
            &events.attempts,
            &events.data,
        ]);
    }
    let db = queue.db();
    let row = db.one(db.sql.settle(with_results, with_events), &params).await?;

    let mut answers = vec![Settled::Lost; claims.len()];
    for place in Columns::new(&row).take::<Vec<i64>>()? {
        if let Some(answer) = usize::try_from(place - 1).ok().and_then(|place| answers.get_mut(place)) {
            *answer = Settled::Done;
        }
    }
    queue.inner.held.remove(claims.into_iter().filter_map(|(id, claim)| Some((id, claim?))));
    Ok(answers)
}
