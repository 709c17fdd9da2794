//! Writes what the outbox gathers: the ends of runs and their events, in batches. A batch is repeated until it is written or
//! the lease is lost. Ends whose rows others hold are written again later, and delay no others.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::batch::Batch;
use super::due_times::DueTimes;
use super::entries::{End, OutboxEntry, Waiting};
use super::outage::{Outage, is_of_storage};
use crate::backend::{Backend, LACK};
use crate::group_commit::{Again, GroupWriter};
use crate::handler::CatchPanic;
use crate::lease::LeaseState;
use crate::model::*;
use crate::sync::locked;
use crate::{Error, Result};

/// The wait before a write of events is repeated.
const EVENTS_PAUSE: Duration = Duration::from_millis(200);
/// How often a batch is tried that fails although the storage can be reached: within about seven seconds.
const TRIES: u32 = 8;
/// The shortest and the longest wait before an end is written again.
const DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How long ends are written again from the first that had to be, after the outbox was closed.
const LAST_TRIES: Duration = Duration::from_secs(2);

pub(crate) struct Writer {
    target: Target,
    waiting: Arc<Waiting>,
    /// Notified when a batch is written.
    wake: Arc<Notify>,
    delayed: Mutex<Delayed>,
    /// The number of ends that were given up.
    left: AtomicUsize,
    state: watch::Sender<WriterState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    Writing,
    /// Nothing more is written.
    Abandoned,
    /// A write has panicked: which of its tasks are settled is not known.
    Failed,
}

/// Ends that wait to be written again.
#[derive(Debug, Default)]
struct Delayed {
    ends: usize,
    pause: Duration,
    /// Since when ends are written again after the close.
    closing: Option<Instant>,
}

impl Writer {
    pub(super) fn new(target: Target, waiting: Arc<Waiting>, wake: Arc<Notify>) -> Self {
        Self {
            target,
            waiting,
            wake,
            delayed: Mutex::default(),
            left: AtomicUsize::new(0),
            state: watch::Sender::new(WriterState::Writing),
        }
    }

    /// The number of ends that were given up.
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }

    /// Ends writes that are under way, and writes nothing more.
    pub(super) fn abandon(&self) {
        self.state.send_replace(WriterState::Abandoned);
    }

    /// Waits until a write has panicked.
    pub(super) async fn failed(&self) {
        // The sender lives as long as this borrow.
        let _ = self.state.subscribe().wait_for(|state| *state == WriterState::Failed).await;
    }

    /// Has ends written again later, or gives them up if the outbox was closed a while ago.
    fn put_off(&self, ends: Vec<End>) -> Option<Again<OutboxEntry>> {
        let mut delayed = locked(&self.delayed);
        if ends.is_empty() {
            if delayed.ends == 0 {
                delayed.pause = Duration::ZERO;
            }
            return None;
        }
        if self.waiting.is_closed() {
            delayed.closing.get_or_insert_with(Instant::now);
        }
        if delayed.closing.is_some_and(|since| since.elapsed() >= LAST_TRIES) {
            tracing::warn!(
                count = ends.len(),
                "runs were not settled; they run again once the lease is over"
            );
            self.left.fetch_add(ends.len(), Ordering::AcqRel);
            return None;
        }
        let longest = if delayed.closing.is_some() { DELAY.0 } else { DELAY.1 };
        delayed.ends += ends.len();
        delayed.pause = (delayed.pause * 2).clamp(DELAY.0, longest);
        Some(Again { items: ends.into_iter().map(OutboxEntry::Again).collect(), pause: delayed.pause })
    }
}

impl GroupWriter for Writer {
    type Item = OutboxEntry;

    fn bytes(&self, entry: &OutboxEntry) -> usize {
        match entry {
            OutboxEntry::Ended(end) | OutboxEntry::Again(end) => {
                let result = end.settlement.result.as_ref();
                result.and_then(|result| result.value.as_ref()).map_or(0, |value| value.bytes().len())
            }
            OutboxEntry::Event(_) | OutboxEntry::Flush(_) => 0,
        }
    }

    async fn write(&self, entries: Vec<OutboxEntry>) -> Option<Again<OutboxEntry>> {
        let count = entries.len();
        let again = entries.iter().filter(|entry| matches!(entry, OutboxEntry::Again(_))).count();
        locked(&self.delayed).ends -= again;
        let overflow = self.waiting.taken(count - again).into_iter().map(OutboxEntry::Event);
        let batch = Batch::new(entries.into_iter().chain(overflow));
        let mut state = self.state.subscribe();
        let write = CatchPanic::new(Box::pin(BatchWrite::new(&self.target).write(batch)));
        let written = tokio::select! {
            biased;
            _ = state.wait_for(|state| *state != WriterState::Writing) => return None,
            written = write => written,
        };
        let again = match written {
            Ok(ends) => {
                let open = ends.len();
                let again = self.put_off(ends);
                self.waiting.written(if again.is_some() { count - open } else { count });
                again
            }
            Err(panic) => {
                tracing::error!(
                    error = panic.message,
                    "the storage has panicked while runs were settled; the lease is given up, and tasks that were not settled run again"
                );
                self.state.send_replace(WriterState::Failed);
                None
            }
        };
        self.wake.notify_one();
        again
    }
}

/// Where batches are written, under one lease.
pub(super) struct Target {
    backend: Backend,
    lease: watch::Receiver<LeaseState>,
    due_times: DueTimes,
    outage: Mutex<Outage>,
}

impl Target {
    pub(super) fn new(backend: Backend, lease: watch::Receiver<LeaseState>, due_times: DueTimes) -> Self {
        Self { backend, lease, due_times, outage: Mutex::new(Outage::new("settling tasks")) }
    }
}

/// The write of one batch.
struct BatchWrite<'a> {
    target: &'a Target,
    lease: watch::Receiver<LeaseState>,
    /// The tasks of the batch that the user's transaction may have completed.
    completed_inside: HashSet<TaskId>,
    /// Ends that are to be written again later.
    again: Vec<Settlement>,
}

impl<'a> BatchWrite<'a> {
    fn new(target: &'a Target) -> Self {
        Self { target, lease: target.lease.clone(), completed_inside: HashSet::new(), again: Vec::new() }
    }

    /// Returns the ends that are to be written again.
    async fn write(mut self, batch: Batch) -> Vec<End> {
        self.log(batch.events).await;
        for waiting in batch.flushes {
            // A run that was stopped meanwhile does not receive the answer.
            let _ = waiting.send(());
        }
        self.completed_inside = batch.completed_inside;
        self.settle(batch.ended).await;
        let again = self.again.into_iter().map(|settlement| {
            let completed_inside = self.completed_inside.contains(&settlement.task_id);
            End { settlement: Box::new(settlement), completed_inside }
        });
        again.collect()
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
            events = self.target.backend.log_of_runs(events).await;
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

    /// Repeats the call until it succeeds or the lease is lost. An outage and a schema that lacks something are waited out;
    /// after another error there are `tries` in all. The first settlements of a batch may be answered when it gives up.
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
            let part = &rest[..size.min(rest.len())];
            let error = match self.target.backend.settle(part, SettleMode::Each).await {
                Ok(settled) => {
                    locked(&self.target.outage).over();
                    self.target.due_times.note(part, &settled);
                    log_lost(part, &settled, tried_before, &self.completed_inside);
                    answers.extend(settled);
                    continue;
                }
                Err(error) => error,
            };
            // The storage refuses every end, so this one must not be changed into one that it might take later.
            let refuses_all = is_of_storage(&error);
            if !error.is_transient() && !refuses_all {
                tries -= 1;
                if tries == 0 || error.is_invalid() || error.is_codec() || error.is_closed() {
                    return Err(error);
                }
            }
            let undone = error.is_undone() || refuses_all;
            if undone && part.len() == 1 && tried_before {
                // Others hold a row or a table that this end needs, perhaps for long. It is written again later, and
                // delays no other.
                tracing::debug!(task = %part[0].task_id, %error, "the end of a run is written again later");
                answers.push(Settled::Busy);
                continue;
            }
            if undone {
                // Where the time of statements is limited, one with fewer tasks may succeed.
                size = (part.len() / 2).max(1);
            }
            tried_before = true;
            let pause = locked(&self.target.outage).failed(&error);
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
        let target = Target::new(backend, state, DueTimes::default());
        let started = || OutboxEntry::Event(TaskEvent::of(&task(), EventKind::Started));
        BatchWrite::new(&target).write(Batch::new([started()].into_iter())).await;
        lease.send_replace(LeaseState::Lost);
        BatchWrite::new(&target).write(Batch::new([started()].into_iter())).await;
        assert_eq!(events.count(&EventFilter::default()).await.unwrap(), 1);
    }
}
