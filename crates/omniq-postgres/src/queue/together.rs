//! Single enqueues that arrive together travel together: while a statement is under way, later calls gather for the next.
//! Nothing is held back by a timer: a lone call goes at once.

use std::mem::take;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use omniq_core::{Error, NewTask, Result, TaskId};
use tokio::sync::oneshot;

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
/// How often others get their turn after an answer, at most, for as long as that brings more calls.
const TURNS: usize = 8;
/// How long others wait for a statement at most: one may hang in the network, or wait for an open transaction that has used the same id.
const PATIENCE: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub(super) struct Together {
    gathered: Mutex<Gathered>,
    /// Whether tasks are added with their `enqueued` events.
    logged: bool,
}

#[derive(Debug, Default)]
struct Gathered {
    calls: Vec<Call>,
    /// Statements under way, and the calls that travel in them.
    statements: usize,
    travelling: usize,
    /// Carriers that will look at the calls in a moment.
    looking: usize,
}

#[derive(Debug)]
struct Call {
    task: NewTask,
    answer: oneshot::Sender<Result<TaskId>>,
}

impl Gathered {
    /// The calls that are to go now, if any are: as soon as nothing else is under way, or a lone call alone, or there are plenty of them.
    fn depart(&mut self) -> Option<Vec<Call>> {
        let beside = self.travelling == 1 || self.calls.len() >= PLENTY;
        let goes = self.statements == 0 || (self.statements == 1 && beside);
        if self.calls.is_empty() || !goes {
            return None;
        }
        let mut bytes = 0;
        let fits = self.calls.iter().take(MOST).take_while(|call| {
            let before = bytes;
            bytes += call.task.payload.bytes().len();
            before == 0 || bytes <= MOST_BYTES
        });
        let count = fits.count();
        self.statements += 1;
        self.travelling += count;
        let all = count == self.calls.len();
        Some(if all { take(&mut self.calls) } else { self.calls.drain(..count).collect() })
    }

    fn arrive(&mut self, count: usize) {
        self.statements -= 1;
        self.travelling -= count;
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
        let (answer, answered) = oneshot::channel();
        let calls = {
            let mut gathered = self.lock();
            gathered.calls.push(Call { task, answer });
            if gathered.looking == 0 { gathered.depart() } else { None }
        };
        if let Some(calls) = calls {
            // Not in the caller's own future: if that is dropped, the calls of others must not be.
            Carrier::start(self, db, calls);
        }
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable(
                "the runtime that carried this enqueue ended: whether the task was added is not known",
            )),
        }
    }
}

/// Carries calls for as long as there are some for it.
struct Carrier {
    together: Arc<Together>,
    state: State,
}

enum State {
    /// With so many calls.
    Travelling(usize),
    /// With calls for which nobody waits any longer but their callers.
    Overtaken,
    Looking,
    Retired,
}

impl Carrier {
    fn start(together: &Arc<Together>, db: &Arc<Db>, calls: Vec<Call>) {
        let carrier = Self { together: Arc::clone(together), state: State::Travelling(calls.len()) };
        tokio::spawn(carrier.carry(Arc::clone(db), calls));
    }

    async fn carry(mut self, db: Arc<Db>, calls: Vec<Call>) {
        let mut next = Some(calls);
        while let Some(calls) = next {
            let answered = calls.len();
            let mut delivery = pin!(deliver(&db, calls, self.together.logged));
            if tokio::time::timeout(PATIENCE, &mut delivery).await.is_err() {
                self.be_overtaken(&db);
                delivery.await;
            }
            self.look();
            self.gather(answered).await;
            next = self.depart();
        }
    }

    /// Whoever has his answer may call again at once, and those calls travel together, too.
    async fn gather(&self, answered: usize) {
        let mut before = 0;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let calls = self.together.lock().calls.len();
            if calls >= answered || calls == before {
                break;
            }
            before = calls;
        }
    }

    fn be_overtaken(&mut self, db: &Arc<Db>) {
        let mut gathered = self.together.lock();
        if let State::Travelling(calls) = self.state {
            gathered.arrive(calls);
        }
        self.state = State::Overtaken;
        if gathered.looking == 0
            && let Some(calls) = gathered.depart()
        {
            Self::start(&self.together, db, calls);
        }
    }

    fn look(&mut self) {
        let mut gathered = self.together.lock();
        if let State::Travelling(calls) = self.state {
            gathered.arrive(calls);
        }
        gathered.looking += 1;
        self.state = State::Looking;
    }

    /// The next calls for this carrier. Without any it retires: none are there, or they wait for another carrier.
    fn depart(&mut self) -> Option<Vec<Call>> {
        let mut gathered = self.together.lock();
        gathered.looking -= 1;
        let calls = gathered.depart();
        self.state = calls.as_ref().map_or(State::Retired, |calls| State::Travelling(calls.len()));
        calls
    }
}

/// A carrier that ends with its runtime leaves nobody waiting: who relied on it gets an error.
impl Drop for Carrier {
    fn drop(&mut self) {
        let mut gathered = self.together.lock();
        match self.state {
            State::Travelling(calls) => gathered.arrive(calls),
            State::Looking => gathered.looking -= 1,
            State::Overtaken => {}
            State::Retired => return,
        }
        if gathered.statements == 0 && gathered.looking == 0 {
            gathered.calls.clear();
        }
    }
}

async fn deliver(db: &Arc<Db>, calls: Vec<Call>, logged: bool) {
    let (tasks, answers): (Vec<_>, Vec<_>) = calls.into_iter().map(|call| (call.task, call.answer)).unzip();
    // A caller that has gone does not want to know: its answer goes nowhere.
    if let [_] = tasks.as_slice() {
        let answer = write(db, &tasks, logged).await.and_then(|mut ids| {
            ids.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no id"))
        });
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

async fn write(db: &Arc<Db>, tasks: &[NewTask], logged: bool) -> Result<Vec<TaskId>> {
    let batch = EnqueueBatch::of_checked(tasks)?;
    let events = logged.then(|| Enqueued::of(tasks, &batch));
    send(db, &batch, events).await?;
    Ok(batch.ids)
}
