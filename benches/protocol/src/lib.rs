//! What the Rust programs of the benchmark share: the command line, the clock, the job and the counts of handler runs.
//!
//! Every program, in whatever language, understands the commands of [`Mode`]; see `benches/README.md`.

mod mode;
mod pause;
mod produce;
mod stats;

pub use mode::{Mode, database_url, queues, setting};
pub use produce::{bulk, produce, round_trips};
pub use stats::{handle, serve};

use serde::{Deserialize, Serialize};

/// The job that all queues carry: about 100 bytes as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Noop {
    /// When the enqueue call began, in nanoseconds of [`now`]; 0 where latency is not measured.
    pub t: u64,
    /// A running number.
    pub i: u64,
    /// Pads the job to that size.
    pub pad: String,
}

impl Noop {
    /// The job with this number, enqueued at this time.
    pub fn new(i: u64, t: u64) -> Self {
        Self { t, i, pad: "the quick brown fox jumps over the lazy dog, and on to the end of it.".into() }
    }
}

/// Nanoseconds of the machine's monotonic clock, which all processes share.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Prints one line for the driver.
pub fn say(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // If the driver has ended, no program reads the line, so errors are ignored.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
