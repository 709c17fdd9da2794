//! Attempts to connect. One whose caller gives up goes on, and the next caller takes it over: so a short `acquire_timeout` is kept,
//! and a host that takes longer to answer, or one behind it in the list, is reached all the same.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};
use tokio::task::{AbortHandle, JoinHandle};

type Attempt = JoinHandle<Result<ClientWrapper>>;

/// With the pool's own connections they are never more than the pool may have: a new one is begun only where none is left.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Those that nobody waits for, and whether each was over at the last sweep.
    left: VecDeque<(Attempt, bool)>,
    /// Those that callers wait for.
    waited_for: Vec<AbortHandle>,
    closed: bool,
}

impl Attempts {
    /// Takes over an attempt, or begins this one. Dropped on the way, it leaves the attempt to the next caller.
    pub(crate) async fn take_over_or(
        &self,
        connect: impl Future<Output = Result<ClientWrapper>> + Send + 'static,
    ) -> Result<ClientWrapper> {
        while let Some(left) = self.next()? {
            let over = left.is_finished();
            match self.outcome(left).await {
                Some(Ok(client)) if !client.is_closed() => return Ok(client),
                // What went wrong some time ago says nothing of now.
                Some(Err(error)) if !over => return Err(error),
                _ => {}
            }
        }
        let broken = || {
            Error::unavailable(
                "the attempt to connect was given up: the pool is closed, or its runtime has ended",
            )
        };
        self.outcome(tokio::spawn(connect)).await.ok_or_else(broken)?
    }

    /// One that is over, else the one that was begun first.
    fn next(&self) -> Result<Option<Attempt>> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::closed("the connection pool is closed: open a new one"));
        }
        let place = state.left.iter().position(|(attempt, _)| attempt.is_finished()).unwrap_or(0);
        Ok(state.left.remove(place).map(|(attempt, _)| attempt))
    }

    /// `None`: it panicked, or it was ended with the pool or with the runtime on which it was begun.
    async fn outcome(&self, attempt: Attempt) -> Option<Result<ClientWrapper>> {
        let mut waiting = Waiting::new(self, attempt);
        let outcome = waiting.attempt.as_mut()?.await;
        waiting.attempt = None;
        outcome.ok()
    }

    /// Closes connections that no caller wanted from one sweep to the next.
    pub(crate) fn sweep(&self) {
        self.state().left.retain_mut(|(attempt, was_over)| {
            let over = attempt.is_finished();
            !(over && std::mem::replace(was_over, over))
        });
    }

    /// Ends all, also those that callers wait for; from now on none is begun or left.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        for (attempt, _) in state.left.drain(..) {
            attempt.abort();
        }
        for attempt in state.waited_for.drain(..) {
            attempt.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
    id: tokio::task::Id,
    attempt: Option<Attempt>,
}

impl<'a> Waiting<'a> {
    fn new(attempts: &'a Attempts, attempt: Attempt) -> Self {
        let mut state = attempts.state();
        if state.closed {
            attempt.abort();
        }
        state.waited_for.push(attempt.abort_handle());
        Self { attempts, id: attempt.id(), attempt: Some(attempt) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.attempts.state();
        state.waited_for.retain(|attempt| attempt.id() != self.id);
        match self.attempt.take() {
            Some(attempt) if state.closed => attempt.abort(),
            Some(attempt) => state.left.push_back((attempt, false)),
            None => {}
        }
    }
}
