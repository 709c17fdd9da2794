//! Single enqueues that arrive together travel together: while a statement is under way, later calls gather for the next.
//! Nothing is held back by a timer: a lone call goes at once, by itself.

mod carrier;
mod onward;
mod watch;

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};

use omniq_core::{Error, NewTask, Result, TaskId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::carrier::Carrier;
use self::onward::Onward;
use self::watch::Watch;
use super::enqueue::{Enqueued, send};
use crate::db::Db;
use crate::enqueue_batch::EnqueueBatch;

/// How many calls travel in one statement at most.
const MOST: usize = 1_000;
/// How many bytes of arguments do; a single call may have more.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How many calls fill a statement of their own, so that they need not wait for the one that is under way. Fewer are better off
/// waiting: each statement costs the server as much as a hundred tasks in it, and each commit a write to the disk.
const PLENTY: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Together {
    gathered: Mutex<Gathered>,
    /// Whether tasks are added with their `enqueued` events.
    logged: bool,
}

#[derive(Debug, Default)]
struct Gathered {
    calls: Vec<Call>,
    /// Statements under way, the oldest first; without those that were overtaken.
    trips: Vec<Trip>,
    /// The number of the last trip.
    last: u64,
    /// Carriers that will look at the calls in a moment.
    looking: usize,
    /// Whether there is a [`Watch`].
    watched: bool,
}

#[derive(Debug)]
struct Call {
    task: NewTask,
    answer: oneshot::Sender<Result<TaskId>>,
}

#[derive(Debug)]
struct Trip {
    no: u64,
    calls: usize,
    began: Instant,
}

/// Calls that go now, in the trip of this number.
type Departure = (u64, Vec<Call>);

impl Gathered {
    /// Whether this many calls may go now: if nothing else is under way, or a lone call alone, or there are plenty of them.
    fn may_go(&self, calls: usize) -> bool {
        match self.trips.as_slice() {
            [] => true,
            [trip] => trip.calls == 1 || calls >= PLENTY,
            _ => false,
        }
    }

    fn begin(&mut self, calls: usize) -> u64 {
        self.last += 1;
        self.trips.push(Trip { no: self.last, calls, began: Instant::now() });
        self.last
    }

    /// Nothing to do if it was overtaken.
    fn end(&mut self, no: u64) {
        self.trips.retain(|trip| trip.no != no);
    }

    fn depart(&mut self) -> Option<Departure> {
        if self.calls.is_empty() || !self.may_go(self.calls.len()) {
            return None;
        }
        let mut bytes = 0;
        let fits = self.calls.iter().take(MOST).take_while(|call| {
            let before = bytes;
            bytes += call.task.payload.bytes().len();
            before == 0 || bytes <= MOST_BYTES
        });
        let count = fits.count();
        let all = count == self.calls.len();
        let calls = if all { take(&mut self.calls) } else { self.calls.drain(..count).collect() };
        Some((self.begin(count), calls))
    }
}

impl Together {
    pub(super) fn new(logged: bool) -> Arc<Self> {
        Arc::new(Self { logged, ..Self::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds a task that was checked.
    pub(super) async fn enqueue(self: &Arc<Self>, db: &Arc<Db>, task: NewTask) -> Result<TaskId> {
        if let Some(carrier) = self.alone() {
            // No task of its own, which would wake other threads: dear on machines where a thread takes long to wake.
            return Onward::new(carrier.carry_one(Arc::clone(db), task)).await;
        }
        let (answer, answered) = oneshot::channel();
        if let Some(departure) = self.gather(db, Call { task, answer }) {
            Carrier::start(self, db, departure);
        }
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable(
                "the runtime that carried this enqueue ended: whether the task was added is not known",
            )),
        }
    }

    /// For a call that may go by itself at once.
    fn alone(self: &Arc<Self>) -> Option<Carrier> {
        let mut gathered = self.lock();
        let alone = gathered.looking == 0 && gathered.calls.is_empty() && gathered.may_go(1);
        alone.then(|| Carrier::new(self, gathered.begin(1)))
    }

    /// For one that goes with others: now with these, or later.
    fn gather(self: &Arc<Self>, db: &Arc<Db>, call: Call) -> Option<Departure> {
        let mut gathered = self.lock();
        gathered.calls.push(call);
        if gathered.looking == 0 { self.depart(db, gathered) } else { None }
    }

    /// The calls that go now, if any do. Those that stay are looked after.
    fn depart(self: &Arc<Self>, db: &Arc<Db>, mut gathered: MutexGuard<'_, Gathered>) -> Option<Departure> {
        let departure = gathered.depart();
        if !gathered.watched && !gathered.calls.is_empty() && !gathered.trips.is_empty() {
            gathered.watched = true;
            drop(gathered);
            Watch::start(self, db);
        }
        departure
    }
}

async fn deliver(db: &Arc<Db>, calls: Vec<Call>, logged: bool) {
    let (tasks, answers): (Vec<_>, Vec<_>) = calls.into_iter().map(|call| (call.task, call.answer)).unzip();
    // A caller that has gone does not want to know: its answer goes nowhere.
    if let [_] = tasks.as_slice() {
        let answer = write_one(db, &tasks, logged).await;
        answers.into_iter().for_each(|caller| drop(caller.send(answer.clone())));
        return;
    }
    match write(db, &tasks, logged).await {
        Ok(ids) => ids.into_iter().zip(answers).for_each(|(id, caller)| drop(caller.send(Ok(id)))),
        // What is unsure is not tried again: it could be written twice.
        Err(error) if error.is_unavailable() || error.is_pool_timeout() || error.is_closed() => {
            answers.into_iter().for_each(|caller| drop(caller.send(Err(error.clone()))));
        }
        // One bad task fails its own caller only.
        Err(_) => {
            for (task, caller) in tasks.into_iter().zip(answers) {
                Box::pin(deliver(db, vec![Call { task, answer: caller }], logged)).await;
            }
        }
    }
}

async fn write_one(db: &Arc<Db>, task: &[NewTask], logged: bool) -> Result<TaskId> {
    let mut ids = write(db, task, logged).await?;
    ids.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no id"))
}

async fn write(db: &Arc<Db>, tasks: &[NewTask], logged: bool) -> Result<Vec<TaskId>> {
    let batch = EnqueueBatch::of_checked(tasks)?;
    let events = logged.then(|| Enqueued::of(tasks, &batch));
    send(db, &batch, events).await?;
    Ok(batch.ids)
}
