//! Settling: one statement for a batch, with its results and events where they are in the same database.

use std::time::{Duration, Instant};

use omniq_core::{Claim, Error, Result, SettleMode, Settled, Settlement, TaskId};

use super::claims::Claims;
use super::counts;
use crate::db::Param;
use crate::partitions::Missing;
use crate::segments::Bitmap;
use crate::segments::settle::SettleBatch;
use crate::sql::{Columns, Extras};

/// The wait before a batch that is all or nothing is sent again, as others hold some of it.
const PAUSE: Duration = Duration::from_millis(20);

impl Claims {
pub(crate) async fn settle(
    &self,
    settlements: Vec<Settlement>,
    mode: SettleMode,
) -> Result<Vec<Settled>> {
    if settlements.is_empty() {
        return Ok(Vec::new());
    }
    for result in settlements.iter().filter_map(|settlement| settlement.result.as_ref()) {
        self.limits.check_result(result)?;
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
    params.extend([&batch.delays as Param<'_>, &batch.errors, &self.keep_completed, &all]);
    if with_results || with_events {
        params.extend([
            &batch.result_tasks.0 as Param<'_>,
            &batch.result_tasks.1,
            &results.ids,
            &results.shape_of,
            &results.masks,
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
    let (db, holders) = (&self.db, &self.lock_holders);
    let stays = batch.keeps(self.keep_completed);
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
    counts::changed(db);
    if batch.brings_back() {
        self.cursors.clear();
    }

    let mut columns = Columns::new(&row);
    let (nos, distances): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
    let hits: Vec<Bitmap> = columns.take()?;
    let mut answers = vec![Settled::Lost; claims.len()];
    for rank in batch.settled(&nos, &distances, &hits) {
        answers[rank] = Settled::Done;
    }
    if past {
        for rank in self.busy(&batch).await? {
            // What others hold can have been let go of since, and is tried again then.
            if answers[rank] == Settled::Lost {
                answers[rank] = Settled::Busy;
            }
        }
        holders.settled(claims.iter().zip(&answers).map(|((id, _), answer)| (*id, *answer == Settled::Busy)));
    }
    let over = claims.into_iter().zip(&answers).filter(|(_, answer)| **answer != Settled::Busy);
    self.tracker.remove(over.filter_map(|((id, claim), _)| Some((id, claim?))));
    Ok(answers)
}

/// Which tasks of a batch were skipped and are still held by their claims. Logs the sessions that hold their rows.
async fn busy(&self, batch: &SettleBatch) -> Result<Vec<usize>> {
    let db = &self.db;
    let row = db.one(&db.sql.busy, &ends(batch)).await?;
    let mut columns = Columns::new(&row);
    let (nos, distances): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
    let hits: Vec<Bitmap> = columns.take()?;
    let names: Vec<String> = columns.take()?;
    let busy = batch.settled(&nos, &distances, &hits);
    if !busy.is_empty() {
        self.lock_holders.log("tasks that are to be settled", busy.len() as i64, &names);
    }
    Ok(busy)
}
}

/// The parameters that `settle.sql` and `busy.sql` share.
fn ends(batch: &SettleBatch) -> [Param<'_>; 7] {
    [&batch.firsts, &batch.lasts, &batch.base_ids, &batch.masks, &batch.workers, &batch.numbers, &batch.outcomes]
}

/// Whether a lock was not granted in time. Nothing was changed then.
fn is_held(error: &Error) -> bool {
    error.sqlstate() == Some("55P03")
}
