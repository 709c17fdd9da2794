//! How fast tasks are worked, and hence how many to hold in stock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A task may lie in one worker's stock for about so long, while another might have a free slot.
const STOCK: Duration = Duration::from_millis(20);
/// The rate is taken anew after at least this time.
const WINDOW: Duration = Duration::from_millis(5);

/// Measures runs. Both what a run takes and how many end in a while are needed: the first alone overrates a worker whose runs
/// wait for the processor, the second alone holds stock for slow tasks too.
#[derive(Debug)]
pub(super) struct Pace {
    runs: Arc<Runs>,
    since: Instant,
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
    pub(super) fn new() -> Self {
        Self { runs: Arc::default(), since: Instant::now(), seen: 0, per_second: 0.0 }
    }

    pub(super) fn runs(&self) -> Arc<Runs> {
        Arc::clone(&self.runs)
    }

    /// How many tasks to hold in stock beside those that run: what will be begun within [`STOCK`], at most `bound`,
    /// and none where a run takes longer than that.
    pub(super) fn stock(&mut self, concurrency: usize, bound: usize) -> usize {
        let passed = self.since.elapsed();
        if passed >= WINDOW {
            let ended = self.runs.ended.load(Ordering::Relaxed);
            self.per_second = (ended - self.seen) as f64 / passed.as_secs_f64();
            (self.seen, self.since) = (ended, Instant::now());
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

    fn pace(run: Duration, count: u64, within: Duration) -> Pace {
        let mut pace = Pace::new();
        (0..count).for_each(|_| pace.runs.ended(run));
        pace.since = Instant::now().checked_sub(within).expect("the clock has run for a while");
        pace
    }

    #[test]
    fn nothing_is_held_in_stock_before_the_first_run_and_for_slow_ones() {
        assert_eq!(Pace::new().stock(8, 1000), 0);
        assert_eq!(pace(Duration::from_millis(50), 1000, Duration::from_millis(10)).stock(8, 1000), 0);
    }

    #[test]
    fn the_stock_follows_the_rate_the_length_and_the_bound() {
        // 1,000 a second by the clock: about 20 within 20 ms, although eight runs of 1 µs would make far more.
        let by_rate = pace(Duration::from_micros(1), 1000, Duration::from_secs(1)).stock(8, 1000);
        assert!((15..=20).contains(&by_rate), "{by_rate}");
        let by_length = pace(Duration::from_millis(10), 100_000, Duration::from_millis(10)).stock(8, 1000);
        assert_eq!(by_length, 16);
        assert_eq!(pace(Duration::from_micros(1), 100_000, Duration::from_millis(10)).stock(8, 50), 50);
    }
}
