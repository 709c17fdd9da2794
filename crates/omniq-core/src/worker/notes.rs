//! What runs hand over to be written: their ends, and events on the way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::late::Late;
use crate::model::*;

/// How many notes may wait: a storage that is slower than the handlers slows them down in the end.
pub(super) const ROOM: usize = 1000;

#[derive(Debug)]
pub(super) enum Note {
    Event(TaskEvent),
    /// To be answered once the events before it have been written.
    Flush(oneshot::Sender<()>),
    /// And whether a transaction of the user's own may have completed the task.
    Ended(Box<Settlement>, bool),
    /// The last one: what comes behind it is not wanted any more.
    Close,
}

/// The side of the runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    to: mpsc::Sender<Note>,
    open: OpenEnds,
    events_on: bool,
    late: Late,
}

/// How many ends were handed over and not dealt with yet.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenEnds(Arc<AtomicUsize>);

impl OpenEnds {
    pub(super) fn written(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::AcqRel);
    }
}

impl Notes {
    pub(super) fn new(events_on: bool) -> (Self, mpsc::Receiver<Note>, OpenEnds) {
        let (to, from) = mpsc::channel(ROOM);
        let open = OpenEnds::default();
        (Self { to, open: open.clone(), events_on, late: Late::default() }, from, open)
    }

    /// Events that found no room, for the settler.
    pub(super) fn late(&self) -> &Late {
        &self.late
    }

    /// Hands over an event of a run. Without room it is late: the settler takes it when it has emptied the channel.
    pub(crate) fn event(&self, event: TaskEvent) {
        if !self.events_on {
            return;
        }
        let Some(run) = event.task_id else { return };
        let mut late = self.late.lock();
        if late.has(run) {
            late.put(run, event);
            return;
        }
        // After the end of the worker nobody writes.
        if let Err(TrySendError::Full(Note::Event(event))) = self.to.try_send(Note::Event(event)) {
            late.put(run, event);
        }
    }

    /// Hands over what of this run is late, one at a time: what is given up on the way stays.
    async fn catch_up(&self, run: TaskId) {
        while self.late.lock().has(run) {
            let Ok(room) = self.to.reserve().await else { return };
            let mut late = self.late.lock();
            if let Some(event) = late.next(run) {
                room.send(Note::Event(event));
            }
        }
    }

    /// Waits until the events that this run has handed over have been written, or dropped.
    pub(crate) async fn flush(&self, run: TaskId) {
        if !self.events_on {
            return;
        }
        self.catch_up(run).await;
        let (done, written) = oneshot::channel();
        if self.to.send(Note::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Whether events are wanted at all.
    pub(super) fn events_on(&self) -> bool {
        self.events_on
    }

    /// Hands over an end; waits while too many wait to be written. After the lease is lost or the worker has stopped, it goes nowhere.
    pub(super) async fn ended(&self, mut settlement: Settlement, completed_inside: bool) {
        self.open.0.fetch_add(1, Ordering::AcqRel);
        if completed_inside {
            // This end may prove to be booked already, and go nowhere.
            self.catch_up(settlement.task_id).await;
        } else {
            self.join_late(&mut settlement);
        }
        if self.to.send(Note::Ended(Box::new(settlement), completed_inside)).await.is_err() {
            self.open.written(1);
        }
    }

    /// Puts what of its run is late in front of the events of an end.
    pub(super) fn join_late(&self, settlement: &mut Settlement) {
        if self.events_on {
            settlement.events.splice(0..0, self.late.lock().take(settlement.task_id));
        }
    }

    /// Whether all ends that were handed over have been dealt with.
    pub(super) fn all_written(&self) -> bool {
        self.open.0.load(Ordering::Acquire) == 0
    }

    pub(super) async fn close(&self) {
        let _ = self.to.send(Note::Close).await;
    }

    pub(super) fn try_close(&self) {
        let _ = self.to.try_send(Note::Close);
    }
}

/// Notes in the form in which they are written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Events of runs that go on.
    pub(super) events: Vec<TaskEvent>,
    pub(super) ended: Vec<Settlement>,
    /// Those of `ended` that a transaction of the user's own may have completed.
    pub(super) completed_inside: HashSet<TaskId>,
    /// Who waits for `events` to be written.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    pub(super) closed: bool,
}

impl Batch {
    /// Events of a run that has ended travel with its end, in front of the last one; not with one that may
    /// prove to be booked already, and then goes nowhere.
    pub(super) fn new(notes: impl Iterator<Item = Note>) -> Self {
        let mut batch = Self::default();
        for note in notes {
            match note {
                Note::Event(event) => batch.events.push(event),
                Note::Flush(done) => batch.flushes.push(done),
                Note::Ended(settlement, completed_inside) => {
                    if completed_inside {
                        batch.completed_inside.insert(settlement.task_id);
                    }
                    batch.ended.push(*settlement);
                }
                Note::Close => batch.closed = true,
            }
        }
        if !batch.events.is_empty() && !batch.ended.is_empty() {
            batch.join();
        }
        batch
    }

    fn join(&mut self) {
        let places: HashMap<TaskId, usize> =
            self.ended.iter().enumerate().map(|(place, settlement)| (settlement.task_id, place)).collect();
        let mut own: HashMap<usize, Vec<TaskEvent>> = HashMap::new();
        for event in std::mem::take(&mut self.events) {
            match event
                .task_id
                .and_then(|id| places.get(&id).filter(|_| !self.completed_inside.contains(&id)))
            {
                Some(place) => own.entry(*place).or_default().push(event),
                None => self.events.push(event),
            }
        }
        for (place, mut events) in own {
            let settlement = &mut self.ended[place];
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

    /// Issue 12, C15: what the user's transaction has completed is refused when it is settled, with all that travels with it.
    #[test]
    fn events_travel_with_the_end_of_their_run_unless_it_may_be_booked_already() {
        let (settled, inside, running) = (task(), task(), task());
        let started = |task| Note::Event(TaskEvent::of(task, EventKind::Started));
        let notes = [
            started(&settled),
            started(&inside),
            Note::Ended(end(&inside), true),
            Note::Ended(end(&settled), false),
            started(&running),
        ];
        let batch = Batch::new(notes.into_iter());
        let before = [(inside.id, EventKind::Started), (running.id, EventKind::Started)];
        assert_eq!(lives(&batch.events), before);
        assert_eq!(lives(&batch.ended[0].events), [(inside.id, EventKind::Completed)]);
        let both = [(settled.id, EventKind::Started), (settled.id, EventKind::Completed)];
        assert_eq!(lives(&batch.ended[1].events), both);
    }
}
