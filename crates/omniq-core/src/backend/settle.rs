//! Writes the parts of a settlement: together in one transaction, or in an order in which a crash loses nothing.

use std::borrow::Cow;

use super::Backend;
use super::events::EventSink;
use super::record;
use crate::Result;
use crate::model::*;

impl Backend {
    pub(super) async fn settle_parts(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        let settled = self.settle_batch(batch, mode).await?;
        self.end_what_broke(batch, &settled).await;
        Ok(settled)
    }

    pub(super) async fn settle_batch(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        for result in batch.iter().filter_map(|settlement| settlement.result.as_ref()) {
            self.limits.check_result(result)?;
        }
        let here = self.queue.location();
        let joint_results = self.results.as_ref().is_some_and(|results| results.location() == here);
        let joint_events = self.events.as_ref().is_some_and(EventSink::is_with_tasks);
        if let (Some(results), false) = (&self.results, joint_results) {
            let taken: Vec<_> = batch.iter().filter_map(|settlement| settlement.result.clone()).collect();
            if !taken.is_empty() {
                results.store_many(taken).await?;
            }
        }

        let with_events = joint_events && batch.iter().any(|settlement| !settlement.events.is_empty());
        let first = self.queue.settle(&part(batch, joint_results, joint_events), mode).await;
        let (settled, written) = match first {
            Err(error) if with_events && self.goes_without_events(&error, mode) => {
                let settled = self.queue.settle(&part(batch, joint_results, false), mode).await?;
                tracing::warn!(%error, "events could not be written with their tasks, which were settled without");
                (settled, false)
            }
            answer => (answer?, joint_events),
        };
        // Only a settlement that was carried out has written its events.
        let is_logged =
            |(one, answer): (&Settlement, &Settled)| *answer == Settled::Done && !one.events.is_empty();
        if let (Some(sink), true) = (&self.events, written && batch.iter().zip(&settled).any(is_logged)) {
            sink.has_room();
        }
        if self.events.is_some() && !written {
            let done = batch.iter().zip(&settled).filter(|(_, settled)| **settled == Settled::Done);
            self.log_events(done.flat_map(|(settlement, _)| settlement.events.iter().cloned()).collect())
                .await;
        }
        if self.events.is_some() && !self.enqueues_are_logged() {
            self.log_events(enqueued(batch, &settled)).await;
        }
        Ok(settled)
    }

    /// Whether a settlement that failed with its events is repeated without them. An outage or a lost claim would fail
    /// that call as well. A cancelled statement passes, and so does a full disk (SQLSTATE class 53), which is waited
    /// out with the event; but not for ever, because it may be the disk of the events alone.
    fn goes_without_events(&self, error: &crate::Error, mode: SettleMode) -> bool {
        // Locked rows of tasks are skipped (`Busy`), so a lock that was not granted in time is one on another table,
        // such as that of the events.
        if lacks_room(error) {
            // A caller of `SettleMode::All` does not try again itself.
            return mode == SettleMode::All || self.events.as_ref().is_some_and(EventSink::lacks_for_long);
        }
        !(error.is_transient() || error.is_claim_lost() || error.is_closed())
    }
}

/// The `enqueued` events of what these settlements have added.
fn enqueued(batch: &[Settlement], settled: &[Settled]) -> Vec<TaskEvent> {
    let done = batch.iter().zip(settled).filter(|(_, settled)| **settled == Settled::Done);
    let added = done.flat_map(|(settlement, _)| &settlement.enqueues);
    added.map(|task| TaskEvent { task_id: task.id, ..record::enqueued(task) }).collect()
}

/// Whether a full disk or a lock kept a settlement from being written, which may be that of the events alone.
pub(super) fn lacks_room(error: &crate::Error) -> bool {
    error.sqlstate().is_some_and(|code| code.starts_with("53") || code == "55P03")
}

/// The parts of a batch that the queue writes; the batch itself if it has no others.
pub(super) fn part(batch: &[Settlement], results: bool, events: bool) -> Cow<'_, [Settlement]> {
    let is_left_out =
        |one: &Settlement| (!results && one.result.is_some()) || (!events && !one.events.is_empty());
    if !batch.iter().any(is_left_out) {
        return Cow::Borrowed(batch);
    }
    let kept = |one: &Settlement| Settlement {
        task_id: one.task_id,
        claim: one.claim,
        outcome: one.outcome.clone(),
        result: if results { one.result.clone() } else { None },
        events: if events { one.events.clone() } else { Vec::new() },
        enqueues: one.enqueues.clone(),
    };
    batch.iter().map(kept).collect()
}
