//! Single enqueues that arrive while a statement is in flight are sent together in the next one. No timer delays a call: a lone call is
//! sent at once. `docs/decisions/0021-one-statement-at-a-time.md`.

mod detach;
mod flush;
mod overtake;

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};

use omniq_core::{Error, NewTask, Result, TaskId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::detach::DetachOnDrop;
use self::flush::Flush;
use self::overtake::Overtake;
use super::enqueue::{Enqueued, send};
use crate::db::Db;
use crate::segments::enqueue::EnqueueBatch;
use omniq_core::sync::locked;

/// The most calls in one statement.
const MOST: usize = 1_000;
/// The most bytes of payloads in one statement; a single call may have more.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The number of calls that are sent although a statement is in flight. Fewer wait for it: a statement costs the server as much as a
/// hundred tasks in it, and each commit costs a write to the disk.
const ENOUGH: usize = 128;

#[derive(Debug, Default)]
pub(super) struct EnqueueCoalescer {
    waiting: Mutex<Waiting>,
    /// Whether tasks are added with their `enqueued` events.
    logged: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: Vec<Call>,
    /// Statements in flight, the oldest first, without those that were overtaken.
    in_flight: Vec<InFlight>,
    /// The number of the last statement.
    last: u64,
    /// Flushes that will look at the calls in a moment.
    looking: usize,
    /// Whether there is an [`Overtake`].
    timed: bool,
}

#[derive(Debug)]
struct Call {
    task: NewTask,
    answer: oneshot::Sender<Result<TaskId>>,
}

#[derive(Debug)]
struct InFlight {
    no: u64,
    calls: usize,
    began: Instant,
}

/// The number of a statement, and the calls that it sends.
type Batch = (u64, Vec<Call>);

impl Waiting {
    /// Whether this many calls may be sent now: if no statement is in flight, or one with a single call, or there are enough of them.
    fn may_send(&self, calls: usize) -> bool {
        match self.in_flight.as_slice() {
            [] => true,
            [sent] => sent.calls == 1 || calls >= ENOUGH,
            _ => false,
        }
    }

    fn begin(&mut self, calls: usize) -> u64 {
        self.last += 1;
        self.in_flight.push(InFlight { no: self.last, calls, began: Instant::now() });
        self.last
    }

    /// Does nothing if it was overtaken.
    fn end(&mut self, no: u64) {
        self.in_flight.retain(|sent| sent.no != no);
    }

    fn next_batch(&mut self) -> Option<Batch> {
        if self.calls.is_empty() || !self.may_send(self.calls.len()) {
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

impl EnqueueCoalescer {
    pub(super) fn new(logged: bool) -> Arc<Self> {
        Arc::new(Self { logged, ..Self::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.waiting)
    }

    /// Adds a task that was checked.
    pub(super) async fn enqueue(self: &Arc<Self>, db: &Arc<Db>, task: NewTask) -> Result<TaskId> {
        if let Some(flush) = self.alone() {
            // Without a Tokio task, which would wake other threads: slow on machines where a thread takes long to wake.
            return DetachOnDrop::new(flush.send_one(Arc::clone(db), task)).await;
        }
        let (answer, answered) = oneshot::channel();
        if let Some(batch) = self.add(db, Call { task, answer }) {
            Flush::start(self, db, batch);
        }
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable(
                "the runtime that sent this enqueue ended: whether the task was added is not known",
            )),
        }
    }

    /// For a call that may be sent alone at once.
    fn alone(self: &Arc<Self>) -> Option<Flush> {
        let mut waiting = self.lock();
        let alone = waiting.looking == 0 && waiting.calls.is_empty() && waiting.may_send(1);
        alone.then(|| Flush::new(self, waiting.begin(1)))
    }

    /// Adds a call to those that wait. The answer is the batch to send, if one may be sent now.
    fn add(self: &Arc<Self>, db: &Arc<Db>, call: Call) -> Option<Batch> {
        let mut waiting = self.lock();
        waiting.calls.push(call);
        if waiting.looking == 0 { self.next_batch(db, waiting) } else { None }
    }

    /// The batch to send now, if there is one. Calls that still wait get an [`Overtake`].
    fn next_batch(self: &Arc<Self>, db: &Arc<Db>, mut waiting: MutexGuard<'_, Waiting>) -> Option<Batch> {
        let batch = waiting.next_batch();
        if !waiting.timed && !waiting.calls.is_empty() && !waiting.in_flight.is_empty() {
            waiting.timed = true;
            drop(waiting);
            Overtake::start(self, db);
        }
        batch
    }
}

async fn flush(db: &Arc<Db>, calls: Vec<Call>, logged: bool) {
    let (tasks, answers): (Vec<_>, Vec<_>) = calls.into_iter().map(|call| (call.task, call.answer)).unzip();
    // The answer of a caller that was dropped is ignored.
    if let [_] = tasks.as_slice() {
        let answer = write_one(db, &tasks, logged).await;
        answers.into_iter().for_each(|caller| drop(caller.send(answer.clone())));
        return;
    }
    match write(db, &tasks, logged).await {
        Ok(ids) => ids.into_iter().zip(answers).for_each(|(id, caller)| drop(caller.send(Ok(id)))),
        // A call that may have been carried out is not repeated: its tasks could be added twice.
        Err(error) if error.is_unavailable() || error.is_pool_timeout() || error.is_closed() => {
            answers.into_iter().for_each(|caller| drop(caller.send(Err(error.clone()))));
        }
        // One bad task fails its own caller only.
        Err(_) => {
            for (task, caller) in tasks.into_iter().zip(answers) {
                Box::pin(flush(db, vec![Call { task, answer: caller }], logged)).await;
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
