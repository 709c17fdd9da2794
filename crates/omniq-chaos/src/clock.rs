//! The time that all processes of a run share: the machine's monotonic clock, in nanoseconds. Python's
//! `time.monotonic_ns` is the same.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds.
pub type Nanos = u64;

pub const SECOND: Nanos = 1_000_000_000;

pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * SECOND + time.tv_nsec.unsigned_abs()
}

pub fn seconds(time: Nanos) -> f64 {
    time as f64 / SECOND as f64
}
