//! Attempts to connect. An attempt whose caller gives up continues, and the next caller takes it over. So a short `acquire_timeout` is
//! kept, and a slow host, or one later in the list, is still reached.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use deadpool_postgres::ClientWrapper;
use omniq_core::sync::locked;
use omniq_core::{Error, Result};
use tokio::task::{AbortHandle, JoinHandle};

type Attempt = JoinHandle<Result<ClientWrapper>>;

/// Together with the pool's connections they never exceed the pool's maximum: a new attempt begins only if none is left to take over.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Attempts without a caller, and whether each had finished at the last sweep.
    left: VecDeque<(Attempt, bool)>,
    /// Attempts that callers wait for.
    waited_for: Vec<AbortHandle>,
    closed: bool,
}

impl Attempts {
    /// Takes over an attempt, or begins this one. If this future is dropped, it leaves the attempt to the next caller.
    pub(crate) async fn take_over_or(
        &self,
        connect: impl Future<Output = Result<ClientWrapper>> + Send + 'static,
    ) -> Result<ClientWrapper> {
        while let Some(left) = self.next()? {
            let over = left.is_finished();
            match self.outcome(left).await {
                Some(Ok(client)) if !client.is_closed() => return Ok(client),
                // An old failure says nothing about the present.
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

    /// An attempt that has finished, else the oldest one.
    fn next(&self) -> Result<Option<Attempt>> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::closed("the connection pool is closed: open a new one"));
        }
        let place = state.left.iter().position(|(attempt, _)| attempt.is_finished()).unwrap_or(0);
        Ok(state.left.remove(place).map(|(attempt, _)| attempt))
    }

    /// The outcome. `None`: the attempt panicked, or it was aborted with the pool or with the runtime on which it began.
    async fn outcome(&self, attempt: Attempt) -> Option<Result<ClientWrapper>> {
        let mut waiting = Waiting::new(self, attempt);
        let outcome = waiting.attempt.as_mut()?.await;
        waiting.attempt = None;
        outcome.ok()
    }

    /// Closes connections that no caller has taken since the last sweep.
    pub(crate) fn sweep(&self) {
        self.state().left.retain_mut(|(attempt, was_over)| {
            let over = attempt.is_finished();
            !(over && std::mem::replace(was_over, over))
        });
    }

    /// Aborts all attempts, also those that callers wait for. From now on none is begun or left.
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
        locked(&self.0)
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
