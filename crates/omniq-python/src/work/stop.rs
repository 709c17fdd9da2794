//! How a worker in Python is stopped, and how its end is reported.

use tokio::sync::watch;

/// The log target of workers.
pub(super) const LOG: &str = "omniq::worker";

/// The stop that was requested: 0 none, 1 graceful, 2 at once.
pub(super) type Stop = watch::Sender<u8>;

/// Requests a stop. One that is not further than the present one changes nothing.
pub(super) fn raise(stop: &Stop, to: u8) {
    stop.send_if_modified(|phase| std::mem::replace(phase, to.max(*phase)) < to);
}

/// `None` until the worker has ended, then the number of runs that were still going on.
pub(super) type Ended = watch::Sender<Option<usize>>;
