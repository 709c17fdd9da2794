//! A batch of the outbox, and how it is written: repeated until it is written or the lease is lost. Ends whose rows others
//! hold are returned.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::outbox::{End, OutboxEntry};
use super::writer::Writer;
use crate::backend::LACK;
use crate::lease::LeaseState;
use crate::model::*;
use crate::sync::locked;
use crate::{Error, Result};

/// The wait before a write of events is repeated.
const EVENTS_PAUSE: Duration = Duration::from_millis(200);

/// How often a batch is tried that fails although the storage can be reached: within about seven seconds.
const TRIES: u32 = 8;

/// Entries in the form in which they are written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Events of runs that go on.
    pub(super) events: Vec<TaskEvent>,
    pub(super) ended: Vec<Settlement>,
    /// Those of `ended` whose tasks the user's transaction may have completed.
    pub(super) completed_inside: HashSet<TaskId>,
    /// Answered once `events` are written.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    /// Events of a finished run are written with its settlement, before the final event, unless the user's transaction
    /// may have completed the task, since that settlement may be refused.
    pub(super) fn new(entries: impl Iterator<Item = OutboxEntry>) -> Self {
        let mut batch = Self::default();
        for entry in entries {
            match entry {
                OutboxEntry::Event(event) => batch.events.push(event),
                OutboxEntry::Flush(done) => batch.flushes.push(done),
                OutboxEntry::Ended(End { settlement, completed_inside })
                | OutboxEntry::Again(End { settlement, completed_inside }) => {
                    if completed_inside {
                        batch.completed_inside.insert(settlement.task_id);
                    }
                    batch.ended.push(*settlement);
                }
            }
        }
        if !batch.events.is_empty() && !batch.ended.is_empty() {
            batch.join();
        }
        batch
    }

    fn join(&mut self) {
        let indexes: HashMap<TaskId, usize> =
            self.ended.iter().enumerate().map(|(index, settlement)| (settlement.task_id, index)).collect();
        let mut own: HashMap<usize, Vec<TaskEvent>> = HashMap::new();
        for event in std::mem::take(&mut self.events) {
            match event
                .task_id
                .and_then(|id| indexes.get(&id).filter(|_| !self.completed_inside.contains(&id)))
            {
                Some(index) => own.entry(*index).or_default().push(event),
                None => self.events.push(event),
            }
        }
        for (index, mut events) in own {
            let settlement = &mut self.ended[index];
            events.append(&mut settlement.events);
            settlement.events = events;
        }
    }
}

/// The write of one batch.
pub(super) struct BatchWrite<'a> {
    writer: &'a Writer,
    lease: watch::Receiver<LeaseState>,
    /// The tasks of the batch that the user's transaction may have completed.
    completed_inside: HashSet<TaskId>,
    /// Ends that are to be written again later.
    again: Vec<Settlement>,
}

impl<'a> BatchWrite<'a> {
    pub(super) fn new(writer: &'a Writer) -> Self {
        Self { writer, lease: writer.lease.clone(), completed_inside: HashSet::new(), again: Vec::new() }
    }

    /// Returns the ends that are to be written again.
    pub(super) async fn write(mut self, batch: Batch) -> Vec<End> {
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
            events = self.writer.backend.log_of_runs(events).await;
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
            let part = &rest[..size.min(rest.len())];
            let error = match self.writer.backend.settle_all_of(part, SettleMode::Each).await {
                Ok(settled) => {
                    locked(&self.writer.outage).over();
                    self.writer.due_times.note(part, &settled);
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
            let pause = locked(&self.writer.outage).failed(&error);
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
    use std::sync::Arc;

    use super::super::due_times::DueTimes;
    use super::super::outbox::Waiting;
    use super::*;
    use crate::backend::Backend;
    use crate::{EventStorage, MemoryEventStorage, MemoryQueue};

    fn task() -> Task {
        Task::from_new(NewTask::new("f", &()).unwrap(), TaskId::new(), 1, jiff::Timestamp::now())
    }

    fn end(task: &Task) -> Box<Settlement> {
        let events = vec![TaskEvent::of(task, EventKind::Completed)];
        let (task_id, outcome) = (task.id, Outcome::Complete);
        Box::new(Settlement { task_id, claim: None, outcome, result: None, events })
    }

    fn lives(events: &[TaskEvent]) -> Vec<(TaskId, EventKind)> {
        events.iter().map(|event| (event.task_id.unwrap(), event.kind.clone())).collect()
    }

    /// Issue 12, C15: the end of a task that the user's transaction has completed is refused, with all that it carries.
    #[test]
    fn events_are_written_with_the_end_of_their_run_unless_it_may_be_refused() {
        let (settled, inside, running) = (task(), task(), task());
        let started = |task| OutboxEntry::Event(TaskEvent::of(task, EventKind::Started));
        let entries = [
            started(&settled),
            started(&inside),
            OutboxEntry::Ended(End { settlement: end(&inside), completed_inside: true }),
            OutboxEntry::Ended(End { settlement: end(&settled), completed_inside: false }),
            started(&running),
        ];
        let batch = Batch::new(entries.into_iter());
        let before = [(inside.id, EventKind::Started), (running.id, EventKind::Started)];
        assert_eq!(lives(&batch.events), before);
        assert_eq!(lives(&batch.ended[0].events), [(inside.id, EventKind::Completed)]);
        let both = [(settled.id, EventKind::Started), (settled.id, EventKind::Completed)];
        assert_eq!(lives(&batch.ended[1].events), both);
    }

    /// A chaos test has shown it: other workers had ended the task before `started` was written.
    #[tokio::test]
    async fn a_lost_lease_writes_no_events() {
        let events = Arc::new(MemoryEventStorage::new());
        let backend = Backend::new(Arc::new(MemoryQueue::new())).with_events(Arc::clone(&events) as _);
        let (lease, state) = watch::channel(LeaseState::Held);
        let (waiting, wake) = (Waiting::new(), Arc::default());
        let writer = Writer::new(backend, state, DueTimes::default(), waiting, wake);
        let started = || OutboxEntry::Event(TaskEvent::of(&task(), EventKind::Started));
        BatchWrite::new(&writer).write(Batch::new([started()].into_iter())).await;
        lease.send_replace(LeaseState::Lost);
        BatchWrite::new(&writer).write(Batch::new([started()].into_iter())).await;
        assert_eq!(events.count(&EventFilter::default()).await.unwrap(), 1);
    }
}
