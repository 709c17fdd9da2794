//! Writes of events that are given up, and the rest of a store that failed or does not answer. A resting store is given
//! no events: they are dropped.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::Result;
use crate::sync::locked;

/// How long a store rests after a failure, so that its failures cost the work nothing.
const REST: Duration = Duration::from_secs(1);
/// How long the answer to a write that was given up is waited for.
const LAST_ANSWER: Duration = Duration::from_secs(60);

/// Whether and until when a store rests. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// Writes that were given up and may still be carried out.
    given_up: usize,
    /// Events that were dropped during the rest.
    dropped: usize,
}

impl Rest {
    /// Whether the store rests. If so, `count` events are dropped now, which the log reports after the rest.
    pub(super) fn takes_none(&self, count: usize) -> bool {
        let mut state = self.state();
        let rests = state.until.is_some_and(|until| Instant::now() < until);
        if rests {
            state.dropped += count;
        } else if state.dropped > 0 {
            let count = std::mem::take(&mut state.dropped);
            tracing::warn!(count, "events were dropped while their store failed or gave no answer");
        }
        rests
    }

    /// Begins a rest, because the store has failed.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.until = state.until.max(Some(Instant::now() + REST));
    }

    fn give_up(&self) {
        let mut state = self.state();
        state.given_up += 1;
        state.until = Some(Instant::now() + LAST_ANSWER);
    }

    fn is_over(&self) {
        let mut state = self.state();
        state.given_up -= 1;
        if state.given_up == 0 {
            state.until = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A write. If it is dropped before its answer, it goes on in the background, and the store rests until it is over: a
/// dropped write may still be carried out, after what is written later.
pub(super) struct Write {
    rest: Rest,
    open: Option<Answer>,
}

impl Write {
    pub(super) fn new(rest: Rest, write: impl Future<Output = Result<()>> + Send + 'static) -> Self {
        Self { rest, open: Some(Box::pin(write)) }
    }

    /// The answer, which can be awaited once.
    pub(super) async fn answer(&mut self) -> Result<()> {
        let Some(write) = &mut self.open else { return Ok(()) };
        let answer = write.await;
        self.open = None;
        answer
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let Some(write) = self.open.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let over = Over::new(self.rest.clone());
        runtime.spawn(async move {
            match tokio::time::timeout(LAST_ANSWER, write).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "events were dropped: the event store failed"),
                Err(_) => {
                    tracing::warn!("events may be lost: the event store gave no answer in {LAST_ANSWER:?}")
                }
            }
            drop(over);
        });
    }
}

/// A write that was given up. It is dropped when the write is over, however it ended.
struct Over(Rest);

impl Over {
    fn new(rest: Rest) -> Self {
        rest.give_up();
        Self(rest)
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.0.is_over();
    }
}
