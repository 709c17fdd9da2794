//! The end of runs: one statement for a batch, with its results and events where they share the database.

use std::time::{Duration, Instant};

use omniq_core::{Claim, Error, Result, SettleMode, Settled, Settlement, TaskId};

use super::{AsyncPostgresQueue, fold};
use crate::bits::Bits;
use crate::db::Param;
use crate::partitions::Missing;
use crate::rows::Columns;
use crate::settle_batch::SettleBatch;
use crate::sql::Extras;

/// The wait before a batch that is all or nothing is sent again, as others hold some of it.
const PAUSE: Duration = Duration::from_millis(20);

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

    let mut params = ends(&batch).to_vec();
    params.extend([&batch.delays as Param<'_>, &batch.errors, &queue.inner.keep_completed, &all]);
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
    let (db, holders) = (queue.db(), &queue.inner.holders);
    let stays = batch.keeps(queue.inner.keep_completed);
    let mut past = !all && holders.hold_any(claims.iter().map(|(id, _)| *id));
    let mut missing = Missing::new(results.ttls());
    let begun = Instant::now();
    let row = loop {
        let statement = db.sql.settle(Extras { results: with_results, events: with_events, stays, past });
        let answer = db.one(statement, &params).await;
        let answer = match missing.made(db, &answer).await {
            Ok(true) => continue,
            Ok(false) => answer,
            // Others hold the table that wants a partition.
            Err(error) => Err(error),
        };
        match answer {
            Err(error) if is_held(&error) && !all && !past => past = true,
            // All or nothing: what others hold is waited for, as a connection would be.
            Err(error) if is_held(&error) && all && begun.elapsed() < db.settings().acquire_timeout => {
                tokio::time::sleep(PAUSE).await;
            }
            answer => break answer?,
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
    if past {
        for rank in busy(queue, &batch).await? {
            // What others hold can have been let go of since, and is tried again then.
            if answers[rank] == Settled::Lost {
                answers[rank] = Settled::Busy;
            }
        }
        holders.settled(claims.iter().zip(&answers).map(|((id, _), answer)| (*id, *answer == Settled::Busy)));
    }
    let over = claims.into_iter().zip(&answers).filter(|(_, answer)| **answer != Settled::Busy);
    queue.inner.held.remove(over.filter_map(|((id, claim), _)| Some((id, claim?))));
    Ok(answers)
}

/// The parameters that say which claims end, and how.
fn ends(batch: &SettleBatch) -> [Param<'_>; 7] {
    [&batch.firsts, &batch.lasts, &batch.bases, &batch.marks, &batch.workers, &batch.numbers, &batch.outcomes]
}

/// A lock was not had in time; nothing was changed.
fn is_held(error: &Error) -> bool {
    error.sqlstate() == Some("55P03")
}

/// Which of a batch whose rows were passed over are still held by their claims; the log tells who holds them up.
async fn busy(queue: &AsyncPostgresQueue, batch: &SettleBatch) -> Result<Vec<usize>> {
    let db = queue.db();
    let row = db.one(&db.sql.busy, &ends(batch)).await?;
    let mut columns = Columns::new(&row);
    let (nos, behinds): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
    let hits: Vec<Bits> = columns.take()?;
    let names: Vec<String> = columns.take()?;
    let busy = batch.settled(&nos, &behinds, &hits);
    if !busy.is_empty() {
        queue.inner.holders.tell("tasks that are to be settled", busy.len() as i64, &names);
    }
    Ok(busy)
}
