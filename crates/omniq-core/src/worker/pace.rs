//! How fast tasks are worked, and hence how many to hold in stock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A task may lie in one worker's stock for about so long, while another might have a free slot.
const STOCK: Duration = Duration::from_millis(20);
/// The rate is taken anew after this time of work and so many runs, or at the latest after [`STOCK`].
const WINDOW: Duration = Duration::from_millis(1);
const SAMPLE: u64 = 16;

/// Measures runs. Both what a run takes and how many end in a while are needed: the first alone overrates a worker whose runs
/// wait for the processor, the second alone holds stock for slow tasks too.
#[derive(Debug, Default)]
pub(super) struct Pace {
    runs: Arc<Runs>,
    /// As of when the rate was last taken: the time of work, and the runs that had ended.
    busy: Duration,
    seen: u64,
    per_second: f64,
}

/// The side of the runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    ended: AtomicU64,
    /// The moving average of a run's nanoseconds; 0 before the first.
    nanos: AtomicU64,
}

impl Runs {
    pub(super) fn ended(&self, took: Duration) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Two runs that end at once may overwrite each other's share: an average can bear it.
        let old = self.nanos.load(Ordering::Relaxed);
        let new = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.nanos.store(new.max(1), Ordering::Relaxed);
    }
}

impl Pace {
    pub(super) fn runs(&self) -> Arc<Runs> {
        Arc::clone(&self.runs)
    }

    /// How many tasks to hold in stock beside those that run: what will be begun within [`STOCK`], at most `bound`,
    /// and none where a run takes longer than that. `busy` is how long there was something to do so far: the time in which
    /// a worker waits for tasks says nothing of how fast it is.
    pub(super) fn stock(&mut self, busy: Duration, concurrency: usize, bound: usize) -> usize {
        let passed = busy.saturating_sub(self.busy);
        let ended = self.runs.ended.load(Ordering::Relaxed);
        let sample = ended - self.seen;
        if self.seen == 0 || passed >= STOCK || (passed >= WINDOW && sample >= SAMPLE) {
            self.per_second = sample as f64 / passed.as_secs_f64().max(1e-6);
            (self.seen, self.busy) = (ended, busy);
        }
        let nanos = self.runs.nanos.load(Ordering::Relaxed);
        if nanos == 0 || Duration::from_nanos(nanos) >= STOCK {
            return 0;
        }
        let by_length = concurrency as f64 * STOCK.as_nanos() as f64 / nanos as f64;
        let by_rate = self.per_second * STOCK.as_secs_f64();
        (by_length.min(by_rate) as usize).min(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(run: Duration, count: u64, busy: Duration, concurrency: usize, bound: usize) -> usize {
        let mut pace = Pace::default();
        (0..count).for_each(|_| pace.runs.ended(run));
        pace.stock(busy, concurrency, bound)
    }

    #[test]
    fn nothing_is_held_in_stock_before_the_first_run_and_for_slow_ones() {
        assert_eq!(Pace::default().stock(Duration::from_secs(1), 8, 1000), 0);
        assert_eq!(stock(Duration::from_millis(50), 1000, Duration::from_millis(10), 8, 1000), 0);
    }

    #[test]
    fn the_stock_follows_the_rate_the_length_and_the_bound() {
        // 1,000 a second by the clock: 20 within 20 ms, although eight runs of 1 µs would make far more.
        assert_eq!(stock(Duration::from_micros(1), 1000, Duration::from_secs(1), 8, 1000), 20);
        assert_eq!(stock(Duration::from_millis(10), 100_000, Duration::from_millis(10), 8, 1000), 16);
        assert_eq!(stock(Duration::from_micros(1), 100_000, Duration::from_millis(10), 8, 50), 50);
    }

    #[test]
    fn the_rate_is_of_the_last_while() {
        let mut pace = Pace::default();
        (0..1000).for_each(|_| pace.runs.ended(Duration::from_micros(1)));
        assert_eq!(pace.stock(Duration::from_secs(1), 8, 1000), 20);
        (0..1000).for_each(|_| pace.runs.ended(Duration::from_micros(1)));
        assert_eq!(pace.stock(Duration::from_millis(1_500), 8, 1000), 40);
        assert_eq!(
            pace.stock(Duration::from_micros(1_500_500), 8, 1000),
            40,
            "too short a while to judge by"
        );
        assert_eq!(pace.stock(Duration::from_secs(2), 8, 1000), 0);
    }
}
