//! Waits through an outage: with growing pauses, a log line when it begins and another when it is over.

use std::time::{Duration, Instant};

use crate::Error;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Consecutive failures of one kind of call.
#[derive(Debug)]
pub(super) struct Outage {
    what: &'static str,
    since: Option<Instant>,
    pause: Duration,
}

impl Outage {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, since: None, pause: FIRST }
    }

    /// Records a failure and returns how long to wait before the next try.
    pub(super) fn failed(&mut self, error: &Error) -> Duration {
        let what = self.what;
        if self.since.is_none() {
            self.since = Some(Instant::now());
            tracing::warn!(%error, sqlstate = error.sqlstate(), "{what} failed; trying again until it works");
        } else {
            tracing::debug!(%error, "{what} failed again");
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        pause.mul_f64(rand::random_range(0.75..1.0))
    }

    pub(super) fn over(&mut self) {
        if let Some(since) = self.since.take() {
            let after = since.elapsed();
            tracing::info!(?after, "{} works again", self.what);
            self.pause = FIRST;
        }
    }
}

/// Whether the error does not pass by waiting.
pub(super) fn is_fatal(error: &Error) -> bool {
    error.is_closed() || error.is_invalid() || error.is_config() || is_of_storage(error)
}

/// Whether the storage refuses whatever is written, until the role gets the right that it lacks, or the schema what it lacks.
pub(super) fn is_of_storage(error: &Error) -> bool {
    error.is_permission_denied() || error.is_schema_missing() || error.is_schema_too_new()
}
