//! How fast tasks run, and hence how many to prefetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a task may wait in one worker's local queue while another worker might have a free slot.
const AHEAD: Duration = Duration::from_millis(20);
/// The rate is measured anew after this time of work and this number of runs, at the latest after [`AHEAD`] of work.
const WINDOW: Duration = Duration::from_millis(1);
const SAMPLE: u64 = 16;

/// Measures both how long a run takes and how many runs end in a second. The first alone overrates a worker whose runs
/// wait for the processor; the second alone prefetches slow tasks, too.
#[derive(Debug, Default)]
pub(super) struct PrefetchEstimator {
    times: Arc<RunTimes>,
    /// When the rate was last measured: the time of work, and the number of runs that had ended.
    busy: Duration,
    seen: u64,
    per_second: f64,
}

/// What runs report.
#[derive(Debug, Default)]
pub(super) struct RunTimes {
    ended: AtomicU64,
    /// The moving average of a run's nanoseconds; 0 before the first.
    nanos: AtomicU64,
}

impl RunTimes {
    pub(super) fn ended(&self, took: Duration) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Two runs that end at once may overwrite each other's share, which an average tolerates.
        let old = self.nanos.load(Ordering::Relaxed);
        let new = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.nanos.store(new.max(1), Ordering::Relaxed);
    }
}

impl PrefetchEstimator {
    pub(super) fn times(&self) -> Arc<RunTimes> {
        Arc::clone(&self.times)
    }

    /// How many tasks to prefetch: those that will begin within [`AHEAD`], at most `bound`, and none where a run takes
    /// longer than that. `busy` is how long at least one slot was used so far: the time in which a worker waits for
    /// tasks says nothing about its speed.
    pub(super) fn tasks(&mut self, busy: Duration, concurrency: usize, bound: usize) -> usize {
        let passed = busy.saturating_sub(self.busy);
        let ended = self.times.ended.load(Ordering::Relaxed);
        let sample = ended - self.seen;
        if self.seen == 0 || passed >= AHEAD || (passed >= WINDOW && sample >= SAMPLE) {
            self.per_second = sample as f64 / passed.as_secs_f64().max(1e-6);
            (self.seen, self.busy) = (ended, busy);
        }
        let nanos = self.times.nanos.load(Ordering::Relaxed);
        if nanos == 0 || Duration::from_nanos(nanos) >= AHEAD {
            return 0;
        }
        let by_length = concurrency as f64 * AHEAD.as_nanos() as f64 / nanos as f64;
        let by_rate = self.per_second * AHEAD.as_secs_f64();
        (by_length.min(by_rate) as usize).min(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(run: Duration, count: u64, busy: Duration, concurrency: usize, bound: usize) -> usize {
        let mut estimator = PrefetchEstimator::default();
        (0..count).for_each(|_| estimator.times.ended(run));
        estimator.tasks(busy, concurrency, bound)
    }

    #[test]
    fn nothing_is_prefetched_before_the_first_run_and_for_slow_ones() {
        assert_eq!(PrefetchEstimator::default().tasks(Duration::from_secs(1), 8, 1000), 0);
        assert_eq!(tasks(Duration::from_millis(50), 1000, Duration::from_millis(10), 8, 1000), 0);
    }

    #[test]
    fn the_prefetch_follows_the_rate_the_length_and_the_bound() {
        // 1,000 a second by the clock: 20 within 20 ms, although eight runs of 1 µs would make far more.
        assert_eq!(tasks(Duration::from_micros(1), 1000, Duration::from_secs(1), 8, 1000), 20);
        assert_eq!(tasks(Duration::from_millis(10), 100_000, Duration::from_millis(10), 8, 1000), 16);
        assert_eq!(tasks(Duration::from_micros(1), 100_000, Duration::from_millis(10), 8, 50), 50);
    }

    #[test]
    fn the_rate_is_of_the_last_while() {
        let mut estimator = PrefetchEstimator::default();
        (0..1000).for_each(|_| estimator.times.ended(Duration::from_micros(1)));
        assert_eq!(estimator.tasks(Duration::from_secs(1), 8, 1000), 20);
        (0..1000).for_each(|_| estimator.times.ended(Duration::from_micros(1)));
        assert_eq!(estimator.tasks(Duration::from_millis(1_500), 8, 1000), 40);
        assert_eq!(
            estimator.tasks(Duration::from_micros(1_500_500), 8, 1000),
            40,
            "too short a while to judge by"
        );
        assert_eq!(estimator.tasks(Duration::from_secs(2), 8, 1000), 0);
    }
}
