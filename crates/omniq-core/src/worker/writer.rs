//! Writes one batch at a time: repeats it until it is written or the lease is lost, and returns the ends whose rows
//! others hold.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::due_times::DueTimes;
use super::outage::Outage;
use super::outbox::{Batch, OutboxEntry};
use crate::backend::{Backend, LACK};
use crate::lease::LeaseState;
use crate::model::*;
use crate::{Error, Result};

/// The wait before a write of events is repeated.
const EVENTS_PAUSE: Duration = Duration::from_millis(200);

/// How often a batch is tried that fails although the storage can be reached: within about seven seconds.
const TRIES: u32 = 8;

/// The most bytes of results in one call: PostgreSQL takes no message above 1 GiB, and memory is limited as well.
const BATCH_BYTES: usize = 64 * 1024 * 1024;

pub(super) struct Writer {
    backend: Backend,
    lease: watch::Receiver<LeaseState>,
    outage: Outage,
    due_times: DueTimes,
    /// The tasks of the batch that the user's transaction may have completed.
    completed_inside: HashSet<TaskId>,
    /// Ends that are to be written again later.
    again: Vec<Settlement>,
}

impl Writer {
    pub(super) fn new(backend: Backend, lease: watch::Receiver<LeaseState>, due_times: DueTimes) -> Self {
        let (outage, completed_inside) = (Outage::new("settling tasks"), HashSet::new());
        Self { backend, lease, outage, due_times, completed_inside, again: Vec::new() }
    }

    /// Writes a batch. Returns the ends that are to be written again.
    pub(super) async fn write(&mut self, batch: Batch) -> Vec<OutboxEntry> {
        self.log(batch.events).await;
        for waiting in batch.flushes {
            // A run that was stopped meanwhile does not receive the answer.
            let _ = waiting.send(());
        }
        self.completed_inside = batch.completed_inside;
        self.settle(batch.ended).await;
        let again = std::mem::take(&mut self.again).into_iter();
        again
            .map(|settlement| {
                let inside = self.completed_inside.contains(&settlement.task_id);
                OutboxEntry::Ended(Box::new(settlement), inside)
            })
            .collect()
    }

    /// Writes events that belong to no end of this batch, before its ends. The ends would fail for the same reason, and
    /// an event must not follow a later one of its task.
    async fn log(&mut self, mut events: Vec<TaskEvent>) {
        let (until, mut tried) = (Instant::now() + LACK, false);
        while !events.is_empty() {
            let over = tried && (self.lease.has_changed().is_err() || Instant::now() >= until);
            // Once the lease is lost others may have ended the tasks, and these events could follow their last one.
            if over || self.lease_is_lost() {
                tracing::warn!(
                    count = events.len(),
                    "events were dropped: they could not be written in time"
                );
                return;
            }
            events = self.backend.log_of_runs(events).await;
            tried = true;
            if events.is_empty() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(EVENTS_PAUSE) => {}
                _ = self.lease.wait_for(|state| *state == LeaseState::Lost) => {}
            }
        }
    }

    async fn settle(&mut self, mut batch: Vec<Settlement>) {
        let mut answers = Vec::with_capacity(batch.len());
        let refused = self.try_to_settle(&batch, &mut answers, TRIES).await.err();
        let mut rest = batch.split_off(answers.len());
        self.keep_busy(batch, &answers);
        let Some(refused) = refused else { return };
        if rest.len() == 1 {
            self.settle_refused(rest.remove(0), refused).await;
            return;
        }
        // One that cannot be written must not delay the others.
        for settlement in rest {
            let mut answers = Vec::with_capacity(1);
            let one = vec![settlement];
            match self.try_to_settle(&one, &mut answers, 1).await {
                Ok(()) => self.keep_busy(one, &answers),
                Err(refused) => self.settle_refused(one.into_iter().next().expect("one"), refused).await,
            }
        }
    }

    fn keep_busy(&mut self, batch: Vec<Settlement>, answers: &[Settled]) {
        let busy = batch.into_iter().zip(answers).filter(|(_, answer)| **answer == Settled::Busy);
        self.again.extend(busy.map(|(settlement, _)| settlement));
    }

    /// The end of a run cannot be written, such as a value that is too large. Another run would end the same way, so
    /// the task fails for good.
    async fn settle_refused(&mut self, mut settlement: Settlement, refused: Error) {
        let task = settlement.task_id;
        tracing::error!(%task, error = %refused, "the end of a run was refused; the task fails for good");
        let error = TaskError::new("not_recorded", refused.to_string());
        if let Some(result) = &mut settlement.result {
            (result.status, result.value, result.error) = (ResultStatus::Failed, None, Some(error.clone()));
        }
        settlement.events.clear();
        settlement.outcome = Outcome::Fail { error };
        let (one, mut answers) = (vec![settlement], Vec::with_capacity(1));
        match self.try_to_settle(&one, &mut answers, 1).await {
            Ok(()) => self.keep_busy(one, &answers),
            Err(error) => {
                tracing::error!(%task, %error, "a task could not be settled; it is tried again");
                self.again.extend(one);
            }
        }
    }

    /// Repeats the call until it succeeds or the lease is lost. An outage is waited out; after another error there are
    /// `tries` in all. The first settlements of a batch may be answered when it gives up.
    async fn try_to_settle(
        &mut self,
        batch: &[Settlement],
        answers: &mut Vec<Settled>,
        mut tries: u32,
    ) -> Result<()> {
        let (mut size, mut tried_before) = (batch.len(), false);
        while answers.len() < batch.len() {
            let rest = &batch[answers.len()..];
            if self.lease_is_lost() {
                tracing::warn!(
                    count = rest.len(),
                    "runs were not settled: the lease is lost, they run again"
                );
                answers.resize(batch.len(), Settled::Lost);
                return Ok(());
            }
            let part = &rest[..size.min(fitting(rest))];
            let error = match self.backend.settle_all_of(part, SettleMode::Each).await {
                Ok(settled) => {
                    self.outage.over();
                    self.due_times.note(part, &settled);
                    log_lost(part, &settled, tried_before, &self.completed_inside);
                    answers.extend(settled);
                    continue;
                }
                Err(error) => error,
            };
            if !error.is_transient() {
                tries -= 1;
                if tries == 0 || error.is_invalid() || error.is_codec() || error.is_closed() {
                    return Err(error);
                }
            }
            if error.is_undone() && part.len() == 1 && tried_before {
                // Others hold a row or a table that this end needs, perhaps for long. It is written again later, and
                // delays no other.
                tracing::debug!(task = %part[0].task_id, %error, "the end of a run waits for a lock of another session");
                answers.push(Settled::Busy);
                continue;
            }
            if error.is_undone() {
                // Where the time of statements is limited, one with fewer tasks may succeed.
                size = (part.len() / 2).max(1);
            }
            tried_before = true;
            let pause = self.outage.failed(&error);
            // The worker was dropped and renews its lease no more: its tasks return when the lease ends.
            if self.lease.has_changed().is_err() {
                answers.resize(batch.len(), Settled::Lost);
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.lease.wait_for(|state| *state == LeaseState::Lost) => {}
            }
        }
        Ok(())
    }

    fn lease_is_lost(&self) -> bool {
        *self.lease.borrow() == LeaseState::Lost
    }
}

/// How many of these, from the first one on, fit into one call by their results; at least one.
fn fitting(batch: &[Settlement]) -> usize {
    let mut bytes = 0;
    let fits = |settlement: &&Settlement| {
        let value = settlement.result.as_ref().and_then(|result| result.value.as_ref());
        bytes += value.map_or(0, |value| value.bytes().len());
        bytes <= BATCH_BYTES
    };
    batch.iter().take_while(fits).count().max(1)
}

/// After a broken connection it is unknown whether the first try was carried out. A `Lost` then most likely stems from
/// that try.
fn log_lost(
    batch: &[Settlement],
    answers: &[Settled],
    tried_before: bool,
    completed_inside: &HashSet<TaskId>,
) {
    for (settlement, answer) in batch.iter().zip(answers) {
        let task = settlement.task_id;
        if completed_inside.contains(&task) {
            if *answer == Settled::Done {
                tracing::warn!(%task, "a run had completed its task in a transaction that was not committed");
            } else {
                tracing::debug!(%task, "completed in a transaction of its own, or the claim was lost");
            }
        } else if *answer == Settled::Lost {
            if tried_before {
                tracing::debug!(%task, "not settled at a second try: done by the first one, or the claim was lost");
            } else {
                tracing::warn!(%task, "not settled: the claim was lost, nothing was changed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{EventStorage, MemoryEventStorage, MemoryQueue};

    fn task() -> Task {
        Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), 1, jiff::Timestamp::now())
    }

    /// A chaos test has shown it: other workers had ended the task before `started` was written.
    #[tokio::test]
    async fn a_lost_lease_writes_no_events() {
        let events = Arc::new(MemoryEventStorage::new());
        let backend = Backend::new(Arc::new(MemoryQueue::new())).with_events(Arc::clone(&events) as _);
        let (lease, state) = watch::channel(LeaseState::Held);
        let mut writer = Writer::new(backend, state, DueTimes::default());
        let started = || OutboxEntry::Event(TaskEvent::of(&task(), EventKind::Started));
        writer.write(Batch::new([started()].into_iter())).await;
        lease.send_replace(LeaseState::Lost);
        writer.write(Batch::new([started()].into_iter())).await;
        assert_eq!(events.count(&EventFilter::default()).await.unwrap(), 1);
    }

    #[test]
    fn results_that_are_too_large_for_one_call_are_written_in_several() {
        let end = |bytes: usize| {
            let task = task();
            let value = Payload::new(Codec::Raw, vec![0; bytes]);
            let mut result = TaskResult::new(task.id, ResultStatus::Completed);
            result.value = Some(value);
            Settlement {
                task_id: task.id,
                claim: None,
                outcome: Outcome::Complete,
                result: Some(result),
                events: Vec::new(),
            }
        };
        let quarter = BATCH_BYTES / 4;
        let batch: Vec<_> = [quarter, quarter, quarter, quarter, 1, BATCH_BYTES + 1, 1].map(end).into();
        assert_eq!(fitting(&batch), 4);
        assert_eq!(fitting(&batch[4..]), 1);
        assert_eq!(fitting(&batch[5..]), 1, "one that is too large goes by itself");
        assert_eq!(fitting(&batch[6..]), 1);
    }
}
