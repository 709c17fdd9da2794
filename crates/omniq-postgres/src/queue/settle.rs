//! Settling: one statement for a batch, with its results and events where they are in the same database.

#[cfg(test)]
mod singles;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use omniq_core::{Claim, Error, Result, SettleMode, Settled, Settlement, TaskId};

use super::claims::Claims;
use super::counts;
use crate::partitions::Missing;
use crate::segments::settle::SettleBatch;
use crate::sql::Param;
use crate::sql::{Columns, SettleBlocks, SinglesBlocks};

/// The wait before a batch that is all or nothing is sent again, because other sessions hold some of its rows.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// How often a batch is sent in all if tasks move while it is under way.
const LOOKS: usize = 4;

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
        let with_enqueues = !batch.enqueues.is_empty();
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
        if with_enqueues {
            params.extend([
                ("enqueue_groups", &batch.enqueue_tasks.0 as Param<'_>),
                ("enqueue_distances", &batch.enqueue_tasks.1),
                ("enqueue_tasks", &batch.enqueues),
            ]);
        }
        let (db, holders) = (&self.db, &self.lock_holders);
        let (stays, back) = (batch.keeps(self.keep_completed) || with_enqueues, batch.brings_back());
        let mut past = !all && holders.hold_any(claims.iter().map(|(id, _)| *id));
        // A row of its own, as far as is known here.
        let mut singles = !past
            && !with_enqueues
            && batch.leaves_singles(self.keep_completed)
            && self.tracker.are_alone(claims.iter().filter_map(|(id, claim)| Some((*id, (*claim)?))));
        let mut missing = Missing::new(results.ttls());
        let (begun, mut looks, mut ends_noted) = (Instant::now(), LOOKS, false);
        let mut answers = vec![Settled::Lost; claims.len()];
        loop {
            let statement = if singles {
                let again = with_results && batch.is_again();
                db.sql.settle_singles(SinglesBlocks { results: with_results, again, events: with_events })
            } else {
                db.sql.settle(SettleBlocks {
                    results: with_results,
                    events: with_events,
                    enqueues: with_enqueues,
                    stays,
                    past,
                    back,
                })
            };
            let answer = db.one(statement, &params).await;
            let answer = match missing.made(db, &answer).await {
                Ok(true) => continue,
                Ok(false) => answer,
                // Other sessions hold the table that needs a partition.
                Err(error) => Err(error),
            };
            match answer {
                Err(error) if is_held(&error) && !all && !past => (past, singles) = (true, false),
                // All or nothing: waits for rows that other sessions hold, as long as for a connection.
                Err(error) if is_held(&error) && all && begun.elapsed() < db.settings().acquire_timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) if error.is_claim_lost() && singles => singles = false,
                Err(error) if error.is_claim_lost() && all => {
                    looks -= 1;
                    if looks == 0 || self.held(&batch).await?.0.len() < claims.len() {
                        return Err(error);
                    }
                }
                answer => {
                    let row = answer?;
                    counts::changed(db);
                    let mut columns = Columns::new(&row);
                    let done = if singles {
                        batch.answered_singles(&mut columns)
                    } else {
                        let done = batch.answered(&mut columns);
                        ends_noted |= columns.take::<bool>()?;
                        done
                    };
                    for rank in done? {
                        answers[rank] = Settled::Done;
                    }
                    let is_lost = |rank: usize| answers[rank] == Settled::Lost && claims[rank].1.is_some();
                    if std::mem::take(&mut singles) && (0..claims.len()).any(is_lost) {
                        // Not in a row of its own, though it was claimed there, or its claim is lost.
                        continue;
                    }
                    looks -= 1;
                    if past || looks == 0 || !(0..claims.len()).any(is_lost) {
                        break;
                    }
                    // Nor is a claim lost whose task has moved to a row of its own meanwhile (`single_out_held.sql`): this statement
                    // has waited for the old row, and a later one sees the new one.
                    if !self.held(&batch).await?.0.into_iter().any(is_lost) {
                        break;
                    }
                }
            }
        }
        if ends_noted {
            self.dependencies.advance(db).await;
        }
        if past || looks == 0 {
            let (busy, names) = self.held(&batch).await?;
            for rank in &busy {
                // The other session may have released the row since; the caller tries the task again.
                if answers[*rank] == Settled::Lost {
                    answers[*rank] = Settled::Busy;
                }
            }
            if !busy.is_empty() {
                self.lock_holders.log("tasks that are to be settled", busy.len() as i64, &names);
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

    /// The indexes of the tasks of a batch that their claims still hold, and the sessions that have locked the rows of these.
    pub(super) async fn held(&self, batch: &SettleBatch<'_>) -> Result<(Vec<usize>, Vec<String>)> {
        let row = self.db.one(&self.db.sql.busy, &batch.claims_of()).await?;
        let mut columns = Columns::new(&row);
        Ok((batch.answered(&mut columns)?, columns.take()?))
    }
}

/// Whether a lock was not granted in time. Nothing was changed then.
pub(super) fn is_held(error: &Error) -> bool {
    error.sqlstate() == Some("55P03")
}
