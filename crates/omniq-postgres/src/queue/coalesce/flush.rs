//! Sends one batch after the other, each with all calls that have arrived in between.

use std::sync::Arc;

use omniq_core::{NewTask, Result, TaskId};

use super::{Batch, Call, EnqueueCoalescer, flush, write_one};
use crate::db::Db;

/// The most turns that other Tokio tasks get after an answer, as long as that brings more calls.
const TURNS: usize = 8;

/// Sends batches until none is left for it.
pub(super) struct Flush {
    coalescer: Arc<EnqueueCoalescer>,
    state: State,
}

enum State {
    Sent(u64),
    Looking,
    Done,
}

impl Flush {
    /// For a statement that is in flight.
    pub(super) fn new(coalescer: &Arc<EnqueueCoalescer>, sent: u64) -> Self {
        Self { coalescer: Arc::clone(coalescer), state: State::Sent(sent) }
    }

    /// In a Tokio task: if a caller's future is dropped, the calls of others must go on.
    pub(super) fn start(coalescer: &Arc<EnqueueCoalescer>, db: &Arc<Db>, (sent, calls): Batch) {
        tokio::spawn(Self::new(coalescer, sent).run(Arc::clone(db), calls));
    }

    async fn run(mut self, db: Arc<Db>, calls: Vec<Call>) {
        let mut next = Some(calls);
        while let Some(calls) = next {
            let answered = calls.len();
            flush(&db, calls, self.coalescer.logged).await;
            self.look();
            self.gather(answered).await;
            next = self.next_batch(&db);
        }
    }

    /// Sends a lone call in its caller's future.
    pub(super) async fn send_one(self, db: Arc<Db>, task: NewTask) -> Result<TaskId> {
        let answer = write_one(&db, &[task], self.coalescer.logged).await;
        self.finish(&db);
        answer
    }

    /// Lets callers that have their answers enqueue again, so that those calls are sent together.
    async fn gather(&self, answered: usize) {
        let mut before = 0;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let calls = self.coalescer.lock().calls.len();
            if calls >= answered || calls == before {
                break;
            }
            before = calls;
        }
    }

    fn look(&mut self) {
        let mut waiting = self.coalescer.lock();
        if let State::Sent(sent) = self.state {
            waiting.end(sent);
        }
        waiting.looking += 1;
        self.state = State::Looking;
    }

    /// The next batch for this flush. The flush is done if there is none: no calls wait, or another flush will send them.
    fn next_batch(&mut self, db: &Arc<Db>) -> Option<Vec<Call>> {
        let mut waiting = self.coalescer.lock();
        waiting.looking -= 1;
        self.state = State::Done;
        let (sent, calls) = self.coalescer.next_batch(db, waiting)?;
        self.state = State::Sent(sent);
        Some(calls)
    }

    /// Leaves the calls that wait to another flush.
    fn finish(mut self, db: &Arc<Db>) {
        let mut waiting = self.coalescer.lock();
        if let State::Sent(sent) = self.state {
            waiting.end(sent);
        }
        self.state = State::Done;
        let batch = if waiting.looking == 0 { self.coalescer.next_batch(db, waiting) } else { None };
        if let Some(batch) = batch {
            Self::start(&self.coalescer, db, batch);
        }
    }
}

/// If the runtime ends in the middle, the calls that wait for this flush get an error.
impl Drop for Flush {
    fn drop(&mut self) {
        let mut waiting = self.coalescer.lock();
        match self.state {
            State::Sent(sent) => waiting.end(sent),
            State::Looking => waiting.looking -= 1,
            State::Done => return,
        }
        if waiting.in_flight.is_empty() && waiting.looking == 0 {
            waiting.calls.clear();
        }
    }
}
