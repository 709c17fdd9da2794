//! Decides, for all calls, what is repeated while the server is away, and for how long.

use std::time::Duration;

use omniq_core::{Error, Result};
use tokio::time::Instant;

use crate::error::{is_away, was_not_done};

/// The shortest and the longest wait between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// How often a call is repeated that the server has undone each time. Each time another transaction has made progress, so the limit is out
/// of reach.
const TRIES: u32 = 1_000;

/// How long one call may keep trying: as long as it may wait for a connection.
///
/// A connection that cannot be opened is always tried again. A statement is sent again if the server says that it did nothing, or if the
/// caller declares that executing it twice is harmless. Otherwise a statement that may have been executed is never repeated. A statement
/// that the server has undone in favour of another transaction is repeated regardless of the time, because that transaction has made
/// progress.
#[derive(Debug)]
pub(crate) struct Patience {
    end: Instant,
    pause: Duration,
    undone: u32,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, pause: PAUSE.0, undone: 0 }
    }

    /// Waits for a while. `false` if the time is over.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        if Instant::now() + pause >= self.end {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
        true
    }

    /// How long the call may wait for a connection now.
    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    /// Whether to send again a statement that failed with this answer. Waits before it returns `true`.
    pub(crate) async fn again<T>(&mut self, answer: &Result<T>, harmless: bool) -> bool {
        let Err(error) = answer else { return false };
        if is_undone(error) {
            self.undone += 1;
            tracing::debug!(%error, times = self.undone, "undone for another transaction: it is done again");
            // A random wait, so that transactions that undid each other do not meet again.
            let most = u64::from(self.undone.min(20)) * 500;
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..most))).await;
            return self.undone < TRIES;
        }
        (was_not_done(error) || harmless && is_away(error)) && self.pause().await
    }
}

/// Whether everything was undone in favour of another transaction, which has made progress: a deadlock, a serialization failure, or a task
/// that moved to another row (see `locked.sql`). Repeating it is harmless.
fn is_undone(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("40P01" | "40001" | "OQ005"))
}

/// Whether a statement that failed may have been executed all the same.
pub(crate) fn is_unsure(error: &Error) -> bool {
    is_away(error) && !was_not_done(error)
}
