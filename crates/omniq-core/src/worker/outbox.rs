//! The outbox: the ends and the events of runs, on their way to the completer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::overflow::Overflow;
use crate::model::*;

/// The most entries that may wait. A storage that is slower than the handlers thereby slows them down.
pub(super) const ROOM: usize = 1000;

#[derive(Debug)]
pub(super) enum OutboxEntry {
    Event(TaskEvent),
    /// Answered once the events before it have been written.
    Flush(oneshot::Sender<()>),
    /// The end of a run, and whether the user's transaction may have completed the task.
    Ended(Box<Settlement>, bool),
    /// The last entry. Later ones are ignored.
    Close,
}

/// The runs' side. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    to: mpsc::Sender<OutboxEntry>,
    open: OpenEnds,
    events_on: bool,
    overflow: Overflow,
}

/// The number of ends that were added and are not written yet.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenEnds(Arc<AtomicUsize>);

impl OpenEnds {
    pub(super) fn written(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::AcqRel);
    }
}

impl Outbox {
    pub(super) fn new(events_on: bool) -> (Self, mpsc::Receiver<OutboxEntry>, OpenEnds) {
        let (to, from) = mpsc::channel(ROOM);
        let open = OpenEnds::default();
        (Self { to, open: open.clone(), events_on, overflow: Overflow::default() }, from, open)
    }

    /// Events that found no room, for the completer.
    pub(super) fn overflow(&self) -> &Overflow {
        &self.overflow
    }

    /// Adds an event of a run. Without room it overflows: the completer takes it once it has emptied the channel.
    pub(crate) fn event(&self, event: TaskEvent) {
        if !self.events_on {
            return;
        }
        let Some(run) = event.task_id else { return };
        let mut overflow = self.overflow.lock();
        if overflow.has(run) {
            overflow.put(run, event);
            return;
        }
        // After the end of the worker nothing is written.
        if let Err(TrySendError::Full(OutboxEntry::Event(event))) =
            self.to.try_send(OutboxEntry::Event(event))
        {
            overflow.put(run, event);
        }
    }

    /// Moves the overflow of this run to the channel, one event at a time: if this future is dropped, the rest stays.
    async fn catch_up(&self, run: TaskId) {
        while self.overflow.lock().has(run) {
            let Ok(room) = self.to.reserve().await else { return };
            let mut overflow = self.overflow.lock();
            if let Some(event) = overflow.next(run) {
                room.send(OutboxEntry::Event(event));
            }
        }
    }

    /// Waits until the events that this run has added are written or dropped.
    pub(crate) async fn flush(&self, run: TaskId) {
        if !self.events_on {
            return;
        }
        self.catch_up(run).await;
        let (done, written) = oneshot::channel();
        if self.to.send(OutboxEntry::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Whether events are on.
    pub(super) fn events_on(&self) -> bool {
        self.events_on
    }

    /// Adds an end. Waits while the outbox is full. After the lease is lost or the worker has stopped it is ignored.
    pub(super) async fn ended(&self, mut settlement: Settlement, completed_inside: bool) {
        self.open.0.fetch_add(1, Ordering::AcqRel);
        if completed_inside {
            // This end may be refused, because the user's transaction has completed the task. Its events would be lost
            // with it.
            self.catch_up(settlement.task_id).await;
        } else {
            self.join_overflow(&mut settlement);
        }
        if self.to.send(OutboxEntry::Ended(Box::new(settlement), completed_inside)).await.is_err() {
            self.open.written(1);
        }
    }

    /// Puts the overflow of a run before the events of its end.
    pub(super) fn join_overflow(&self, settlement: &mut Settlement) {
        if self.events_on {
            settlement.events.splice(0..0, self.overflow.lock().take(settlement.task_id));
        }
    }

    /// Whether all ends that were added are written.
    pub(super) fn all_written(&self) -> bool {
        self.open.0.load(Ordering::Acquire) == 0
    }

    pub(super) async fn close(&self) {
        let _ = self.to.send(OutboxEntry::Close).await;
    }

    pub(super) fn try_close(&self) {
        let _ = self.to.try_send(OutboxEntry::Close);
    }
}

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
    pub(super) closed: bool,
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
                OutboxEntry::Ended(settlement, completed_inside) => {
                    if completed_inside {
                        batch.completed_inside.insert(settlement.task_id);
                    }
                    batch.ended.push(*settlement);
                }
                OutboxEntry::Close => batch.closed = true,
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

#[cfg(test)]
mod tests {
    use super::*;

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
            OutboxEntry::Ended(end(&inside), true),
            OutboxEntry::Ended(end(&settled), false),
            started(&running),
        ];
        let batch = Batch::new(entries.into_iter());
        let before = [(inside.id, EventKind::Started), (running.id, EventKind::Started)];
        assert_eq!(lives(&batch.events), before);
        assert_eq!(lives(&batch.ended[0].events), [(inside.id, EventKind::Completed)]);
        let both = [(settled.id, EventKind::Started), (settled.id, EventKind::Completed)];
        assert_eq!(lives(&batch.ended[1].events), both);
    }
}
