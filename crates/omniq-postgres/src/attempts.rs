//! Attempts to connect. One whose caller gives up goes on, and the next caller takes it over: so a short `acquire_timeout` is kept,
//! and a host that takes longer to answer, or one behind it in the list, is reached all the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};
use tokio::task::JoinHandle;

type Attempt = JoinHandle<Result<ClientWrapper>>;

/// Those that were given up. With the pool's own connections they are never more than the pool may have: a new one is begun only
/// where there is none.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    left: Mutex<Vec<Attempt>>,
    /// How many callers wait for one.
    waiting: AtomicUsize,
}

impl Attempts {
    /// Takes over an attempt, or begins this one. Dropped on the way, it leaves the attempt to the next caller.
    pub(crate) async fn take_over_or(
        &self,
        connect: impl Future<Output = Result<ClientWrapper>> + Send + 'static,
    ) -> Result<ClientWrapper> {
        loop {
            let Some(left) = self.left().pop() else { break };
            let over = left.is_finished();
            match self.outcome(left).await {
                Some(Ok(client)) if client.is_closed() => {}
                // What went wrong some time ago says nothing of now.
                Some(Err(_)) if over => {}
                Some(outcome) => return outcome,
                None => {}
            }
        }
        let broken = || Error::unavailable("the attempt to connect was given up: its runtime has ended");
        self.outcome(tokio::spawn(connect)).await.ok_or_else(broken)?
    }

    /// `None`: the runtime on which it was begun is gone.
    async fn outcome(&self, attempt: Attempt) -> Option<Result<ClientWrapper>> {
        let mut waiting = Waiting::new(self, attempt);
        let outcome = waiting.attempt.as_mut()?.await;
        waiting.attempt = None;
        match outcome {
            Ok(outcome) => Some(outcome),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => None,
            },
        }
    }

    /// Whether callers wait for one.
    pub(crate) fn are_under_way(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Closes connections that came of it when no caller wanted them any more.
    pub(crate) fn sweep(&self) {
        self.left().retain(|attempt| !attempt.is_finished());
    }

    /// Ends those that are under way.
    pub(crate) fn close(&self) {
        for attempt in self.left().drain(..) {
            attempt.abort();
        }
    }

    fn left(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.left.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        self.close();
    }
}

/// A caller that waits for an attempt.
struct Waiting<'a> {
    attempts: &'a Attempts,
    attempt: Option<Attempt>,
}

impl<'a> Waiting<'a> {
    fn new(attempts: &'a Attempts, attempt: Attempt) -> Self {
        attempts.waiting.fetch_add(1, Ordering::Relaxed);
        Self { attempts, attempt: Some(attempt) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.attempts.waiting.fetch_sub(1, Ordering::Relaxed);
        self.attempts.left().extend(self.attempt.take());
    }
}
