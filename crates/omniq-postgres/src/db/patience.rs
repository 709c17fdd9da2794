//! What is repeated while the server is away, and for how long: the one place that decides it.

use std::time::Duration;

use omniq_core::{Error, Result};
use tokio::time::Instant;

use crate::db::connection::Object;
use crate::db::Db;
use crate::error::{is_away, was_not_done};

/// The shortest and the longest wait between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// After how many tries a call is given up that was undone each time: each of them let another transaction get on, so this is out of reach.
const TRIES: u32 = 1_000;

/// How long one call may go on trying: for as long as it may wait for a connection.
///
/// A connection that cannot be had is tried for again, whatever it is for. A statement is sent again if the server said that
/// it did nothing, or if doing it twice is as good as once: that is for the caller to say. What may have been done is never
/// repeated otherwise. What the server undid for the sake of another transaction is done again whatever the time is: the other one has
/// got on by that.
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

    /// Waits a while; `false` if the time is over.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.pause.mul_f64(rand::random_range(0.5..1.0));
        if Instant::now() + pause >= self.end {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
        true
    }

    /// A connection of the pool.
    pub(crate) async fn client(&mut self, db: &Db) -> Result<Object> {
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            let error = match db.client_within(left.max(Duration::from_millis(1))).await {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            if !is_away(&error) || !self.pause().await {
                return Err(error);
            }
        }
    }

    /// Whether to send again what failed like this, after a wait.
    pub(crate) async fn again<T>(&mut self, answer: &Result<T>, harmless: bool) -> bool {
        let Err(error) = answer else { return false };
        if is_undone(error) {
            self.undone += 1;
            tracing::debug!(%error, times = self.undone, "undone for another transaction: it is done again");
            // Those that undid each other should not meet again.
            let most = u64::from(self.undone.min(20)) * 500;
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..most))).await;
            return self.undone < TRIES;
        }
        (was_not_done(error) || harmless && is_away(error)) && self.pause().await
    }
}

/// Whether all was undone for the sake of another transaction, which has got on by that: a deadlock, a failure of serialization, or a
/// task that moved to another row (see `held.sql`). To do the same again is harmless.
fn is_undone(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("40P01" | "40001" | "OQ005"))
}

/// Whether an enqueue, say, may have been carried out although it failed.
pub(crate) fn is_unsure(error: &Error) -> bool {
    is_away(error) && !was_not_done(error)
}
