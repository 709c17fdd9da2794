//! The end of runs: one statement for a batch, with its results and events where they share the database.

use omniq_core::{Claim, Error, Result, SettleMode, Settled, Settlement, TaskId};

use super::{AsyncPostgresQueue, fold};
use crate::bits::Bits;
use crate::db::Param;
use crate::partitions::Missing;
use crate::rows::Columns;
use crate::settle_batch::SettleBatch;
use crate::sql::Extras;

pub(super) async fn settle(
    queue: &AsyncPostgresQueue,
    settlements: Vec<Settlement>,
    mode: SettleMode,
) -> Result<Vec<Settled>> {
    if settlements.is_empty() {
        return Ok(Vec::new());
    }
    for result in settlements.iter().filter_map(|settlement| settlement.result.as_ref()) {
        queue.inner.limits.check_result(result)?;
    }
    let claims: Vec<(TaskId, Option<Claim>)> = settlements.iter().map(|s| (s.task_id, s.claim)).collect();
    let batch = SettleBatch::new(settlements)?;
    if let Some(task) = batch.twice
        && mode == SettleMode::All
    {
        return Err(Error::claim_lost(format!(
            "task {task} is settled twice in one batch: nothing was changed"
        )));
    }
    let (results, events) = (&batch.results, &batch.events);
    let (with_results, with_events) = (!results.is_empty(), !events.is_empty());
    let all = mode == SettleMode::All;
    let (values, many) = (results.values(), results.many());

    let mut params: Vec<Param<'_>> = vec![
        &batch.firsts,
        &batch.lasts,
        &batch.bases,
        &batch.marks,
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
            &batch.result_tasks.0 as Param<'_>,
            &batch.result_tasks.1,
            &results.ids,
            &results.shape_of,
            &results.marks,
            &values,
            &results.starts,
            &many,
            &results.errors,
            &results.metadata,
            &results.enqueued,
            &results.started,
            &results.finished,
            &results.shapes.statuses,
            &results.shapes.codecs,
            &results.shapes.queues,
            &results.shapes.funcs,
            &results.shapes.workers,
            &results.shapes.attempts,
            &results.shapes.ttls,
        ]);
    }
    if with_events {
        params.extend([
            &batch.event_tasks.0 as Param<'_>,
            &batch.event_tasks.1,
            &events.ats,
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
    let stays = batch.keeps(queue.inner.keep_completed);
    let statement = db.sql.settle(Extras { results: with_results, events: with_events, stays });
    let mut missing = Missing::new(results.ttls());
    let row = loop {
        let answer = db.one(statement, &params).await;
        if !missing.made(db, &answer).await? {
            break answer?;
        }
    };
    fold::changed(db);
    if batch.brings_back() {
        queue.inner.cursors.clear();
    }

    let mut columns = Columns::new(&row);
    let (nos, behinds): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
    let hits: Vec<Bits> = columns.take()?;
    let mut answers = vec![Settled::Lost; claims.len()];
    for rank in batch.settled(&nos, &behinds, &hits) {
        answers[rank] = Settled::Done;
    }
    queue.inner.held.remove(claims.into_iter().filter_map(|(id, claim)| Some((id, claim?))));
    Ok(answers)
}
