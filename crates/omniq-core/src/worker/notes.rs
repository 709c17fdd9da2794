//! What runs hand over to be written: their ends, and events on the way.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

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

/// How many events of one run may wait for room; later ones are dropped.
const WAITING: usize = 1000;

/// The side of the runs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    to: mpsc::Sender<Note>,
    open: OpenEnds,
    events_on: bool,
    /// Events that found no room, by run. They go in front of what follows of the same run.
    waiting: Arc<Mutex<HashMap<TaskId, Vec<TaskEvent>>>>,
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
        (Self { to, open: open.clone(), events_on, waiting: Arc::default() }, from, open)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<TaskId, Vec<TaskEvent>>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Hands over an event of a run. Without room it waits for the run's next flush, or its end.
    pub(crate) fn event(&self, event: TaskEvent) {
        if !self.events_on {
            return;
        }
        let Some(run) = event.task_id else { return };
        let mut waiting = self.waiting();
        let event = match waiting.get(&run) {
            Some(_) => event,
            None => match self.to.try_send(Note::Event(event)) {
                Err(TrySendError::Full(Note::Event(event))) => event,
                // After the end of the worker nobody writes.
                _ => return,
            },
        };
        let events = waiting.entry(run).or_default();
        if events.len() < WAITING {
            events.push(event);
        } else if events.len() == WAITING {
            tracing::warn!(task = %run, "events of a run are dropped: {WAITING} wait for a storage that is behind");
        }
    }

    /// Hands over what of this run has found no room.
    async fn catch_up(&self, run: TaskId) {
        let late = if self.events_on { self.waiting().remove(&run) } else { None };
        for event in late.into_iter().flatten() {
            if self.to.send(Note::Event(event)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the events that this run has handed over have been written, or dropped.
    pub(crate) async fn flush(&self, run: TaskId) {
        self.catch_up(run).await;
        let (done, written) = oneshot::channel();
        if self.events_on && self.to.send(Note::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// Whether events are wanted at all.
    pub(super) fn events_on(&self) -> bool {
        self.events_on
    }

    /// Hands over an end; waits while too many wait to be written. After the lease is lost or the worker has stopped, it goes nowhere.
    pub(super) async fn ended(&self, settlement: Settlement, completed_inside: bool) {
        self.open.0.fetch_add(1, Ordering::AcqRel);
        self.catch_up(settlement.task_id).await;
        if self.to.send(Note::Ended(Box::new(settlement), completed_inside)).await.is_err() {
            self.open.written(1);
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
