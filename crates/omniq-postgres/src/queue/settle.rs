//! Settling: one statement for a batch, with its results and events where they are in the same database.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use omniq_core::{Claim, Error, Result, SettleMode, Settled, Settlement, TaskId};

use super::claims::Claims;
use super::counts;
use crate::partitions::Missing;
use crate::segments::Bitmap;
use crate::segments::settle::SettleBatch;
use crate::sql::Param;
use crate::sql::{Columns, SettleBlocks};

/// The wait before a batch that is all or nothing is sent again, because other sessions hold some of its rows.
const PAUSE: Duration = Duration::from_millis(20);

impl Claims {
    pub(crate) async fn settle(&self, settlements: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let checked = self.checked(settlements)?;
        let claims: Vec<(TaskId, Option<Claim>)> = settlements.iter().map(|s| (s.task_id, s.claim)).collect();
        let batch = SettleBatch::of(&checked, mode)?;
        let (results, events) = (&batch.results, &batch.events);
        let (with_results, with_events) = (!results.is_empty(), !events.ats.is_empty());
        let all = mode == SettleMode::All;

        let mut params = batch.claims_of().to_vec();
        params.extend([
            ("delays", &batch.delays as Param<'_>),
            ("errors", &batch.errors),
            ("keep", &self.keep_completed),
            ("everything", &all),
        ]);
        if with_results {
            params.extend([
                ("result_groups", &batch.result_tasks.0 as Param<'_>),
                ("result_distances", &batch.result_tasks.1),
                ("result_ids", &results.ids),
                ("result_shapes", &results.shape_of),
                ("result_masks", &results.masks),
                ("result_values", &results.values),
                ("result_starts", &results.starts),
                ("result_many", &results.many),
                ("result_errors", &results.errors),
                ("result_metadata", &results.metadata),
                ("result_enqueued", &results.enqueued),
                ("result_started", &results.started),
                ("result_finished", &results.finished),
                ("shape_statuses", &results.shapes.statuses),
                ("shape_codecs", &results.shapes.codecs),
                ("shape_queues", &results.shapes.queues),
                ("shape_funcs", &results.shapes.funcs),
                ("shape_workers", &results.shapes.workers),
                ("shape_attempts", &results.shapes.attempts),
                ("shape_ttls", &results.shapes.ttls),
            ]);
        }
        if with_events {
            params.extend([
                ("event_groups", &batch.event_tasks.0 as Param<'_>),
                ("event_distances", &batch.event_tasks.1),
                ("event_ats", &events.ats),
                ("event_kinds", &events.kinds),
                ("event_tasks", &events.tasks),
                ("event_queues", &events.queues),
                ("event_funcs", &events.funcs),
                ("event_workers", &events.workers),
                ("event_attempts", &events.attempts),
                ("event_data", &events.data),
            ]);
        }
        let (db, holders) = (&self.db, &self.lock_holders);
        let (stays, back) = (batch.keeps(self.keep_completed), batch.brings_back());
        let mut past = !all && holders.hold_any(claims.iter().map(|(id, _)| *id));
        let mut missing = Missing::new(results.ttls());
        let begun = Instant::now();
        let row = loop {
            let statement =
                db.sql.settle(SettleBlocks { results: with_results, events: with_events, stays, past, back });
            let answer = db.one(statement, &params).await;
            let answer = match missing.made(db, &answer).await {
                Ok(true) => continue,
                Ok(false) => answer,
                // Other sessions hold the table that needs a partition.
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if is_held(&error) && !all && !past => past = true,
                // All or nothing: waits for rows that other sessions hold, as long as for a connection.
                Err(error) if is_held(&error) && all && begun.elapsed() < db.settings().acquire_timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => break answer?,
            }
        };
        counts::changed(db);

        let mut columns = Columns::new(&row);
        let (nos, distances): (Vec<i64>, Vec<i32>) = (columns.take()?, columns.take()?);
        let hits: Vec<Bitmap> = columns.take()?;
        let mut answers = vec![Settled::Lost; claims.len()];
        for rank in batch.settled(&nos, &distances, &hits) {
            answers[rank] = Settled::Done;
        }
        if past {
            for rank in self.busy(&batch).await? {
                // The other session may have released the row since; the caller tries the task again.
                if answers[rank] == Settled::Lost {
                    answers[rank] = Settled::Busy;
                }
            }
            holders.settled(
                claims.iter().zip(&answers).map(|((id, _), answer)| (*id, *answer == Settled::Busy)),
            );
        }
        let over = claims.into_iter().zip(&answers).filter(|(_, answer)| **answer != Settled::Busy);
        self.tracker.remove(over.filter_map(|((id, claim), _)| Some((id, claim?))));
        Ok(answers)
    }

    /// The settlements in storable form.
    pub(super) fn checked<'a>(&self, settlements: &'a [Settlement]) -> Result<Vec<Cow<'a, Settlement>>> {
        let checked = settlements.iter().map(|settlement| {
            settlement.result.as_ref().map_or(Ok(()), |result| self.limits.check_result(result))?;
            settlement.checked()
        });
        checked.collect()
    }

    /// The indexes of the tasks of a batch that were skipped and are still held by their claims. Logs the sessions that hold their rows.
    async fn busy(&self, batch: &SettleBatch<'_>) -> Result<Vec<usize>> {
        let db = &self.db;
        let row = db.one(&db.sql.busy, &batch.claims_of()).await?;
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

/// Whether a lock was not granted in time. Nothing was changed then.
fn is_held(error: &Error) -> bool {
    error.sqlstate() == Some("55P03")
}
