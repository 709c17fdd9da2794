//! Single enqueues that arrive together travel together: while one statement is under way, later calls gather for the next.
//! Nothing is held back by a timer: a lone call goes at once.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};

use omniq_core::{Error, NewTask, Result, TaskId};
use tokio::sync::oneshot;

use super::enqueue::send;
use crate::db::Db;
use crate::enqueue_batch::EnqueueBatch;

/// How many calls travel in one statement at most.
const MOST: usize = 1_000;
/// How many bytes of arguments do; a single call may have more.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// How many statements are under way at a time: while one waits for the disk, the next is on its way.
const UNDER_WAY: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Together {
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    calls: Vec<Call>,
    carriers: usize,
}

#[derive(Debug)]
struct Call {
    task: NewTask,
    answer: oneshot::Sender<Result<TaskId>>,
}

impl Together {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Adds a task that was checked.
    pub(super) async fn enqueue(self: &Arc<Self>, db: &Arc<Db>, task: NewTask) -> Result<TaskId> {
        let (answer, answered) = oneshot::channel();
        let carry = {
            let mut gathered = self.lock();
            gathered.calls.push(Call { task, answer });
            let carry = gathered.carriers < UNDER_WAY;
            gathered.carriers += usize::from(carry);
            carry
        };
        if carry {
            // Not in the caller's own future: if that is dropped, the calls of others must not be.
            tokio::spawn(Carrier { together: Arc::clone(self), retired: false }.carry(Arc::clone(db)));
        }
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable(
                "the runtime that carried this enqueue ended: whether the task was added is not known",
            )),
        }
    }

    /// The next calls to travel.
    fn next(&self) -> Vec<Call> {
        let mut gathered = self.lock();
        let mut bytes = 0;
        let fits = gathered.calls.iter().take(MOST).take_while(|call| {
            let before = bytes;
            bytes += call.task.payload.bytes().len();
            before == 0 || bytes <= MOST_BYTES
        });
        let count = fits.count();
        if count == gathered.calls.len() {
            take(&mut gathered.calls)
        } else {
            gathered.calls.drain(..count).collect()
        }
    }
}

/// Carries calls until there are none.
struct Carrier {
    together: Arc<Together>,
    retired: bool,
}

impl Carrier {
    async fn carry(mut self, db: Arc<Db>) {
        while !self.retired {
            let calls = self.together.next();
            if calls.is_empty() {
                self.retire();
            } else {
                deliver(&db, calls).await;
                // Whoever has his answer may call again at once: those calls travel together, too.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Ends, unless a call has come that saw this carrier and relies on it.
    fn retire(&mut self) {
        let mut gathered = self.together.lock();
        if gathered.calls.is_empty() {
            gathered.carriers -= 1;
            self.retired = true;
        }
    }
}

/// A carrier that ends with its runtime leaves nobody waiting: who relied on it gets an error.
impl Drop for Carrier {
    fn drop(&mut self) {
        if !self.retired {
            let mut gathered = self.together.lock();
            gathered.carriers -= 1;
            if gathered.carriers == 0 {
                gathered.calls.clear();
            }
        }
    }
}

async fn deliver(db: &Arc<Db>, calls: Vec<Call>) {
    let (tasks, answers): (Vec<_>, Vec<_>) = calls.into_iter().map(|call| (call.task, call.answer)).unzip();
    // A caller that has gone does not want to know: its answer goes nowhere.
    if let [_] = tasks.as_slice() {
        let answer = write(db, tasks).await.and_then(|mut ids| {
            ids.pop().ok_or_else(|| Error::internal("an enqueue of one task gave no id"))
        });
        answers.into_iter().for_each(|caller| drop(caller.send(answer.clone())));
        return;
    }
    match write(db, tasks.clone()).await {
        Ok(ids) => ids.into_iter().zip(answers).for_each(|(id, caller)| drop(caller.send(Ok(id)))),
        // What is unsure is not tried again: it could be written twice.
        Err(error) if error.is_transient() || error.is_closed() => {
            answers.into_iter().for_each(|caller| drop(caller.send(Err(error.clone()))));
        }
        // One bad task fails its own caller only.
        Err(_) => {
            for (task, caller) in tasks.into_iter().zip(answers) {
                Box::pin(deliver(db, vec![Call { task, answer: caller }])).await;
            }
        }
    }
}

async fn write(db: &Arc<Db>, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
    let batch = EnqueueBatch::of_checked(tasks)?;
    send(db, &batch).await?;
    Ok(batch.ids)
}
