//! When a failed task runs again.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The wait before a retry: `initial × factor^(retry − 1)`, at most `max`, then lengthened by a random share of up
/// to `jitter`, so that tasks that failed together do not come back together.
///
/// Defaults: 1 second, factor 2, at most 1 hour, jitter 0.2.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::Backoff;
/// use std::time::Duration;
/// let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
/// assert_eq!(backoff.delay(1), Duration::from_secs(1));
/// assert_eq!(backoff.delay(4), Duration::from_secs(8));
/// assert_eq!(backoff.delay(1000), Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The wait before the first retry, in seconds where serialized.
    #[serde(with = "seconds")]
    pub initial: Duration,
    /// The factor from each wait to the next: 1 to 1000.
    pub factor: f64,
    /// The longest wait, before jitter; in seconds where serialized.
    #[serde(with = "seconds")]
    pub max: Duration,
    /// The largest random addition, as a share of the wait: 0 to 1.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), factor: 2.0, max: Duration::from_secs(3600), jitter: 0.2 }
    }
}

impl Backoff {
    /// The range of `factor`.
    #[doc(hidden)]
    pub const FACTOR: RangeInclusive<f64> = 1.0..=1000.0;
    /// The range of `jitter`.
    #[doc(hidden)]
    pub const JITTER: RangeInclusive<f64> = 0.0..=1.0;

    /// The same wait each time, without jitter.
    pub fn constant(wait: Duration) -> Self {
        Self { initial: wait, factor: 1.0, max: wait, jitter: 0.0 }
    }

    /// The wait before retry number `retry` (from 1), with random jitter; at most a hundred years.
    pub fn delay(&self, retry: u32) -> Duration {
        let exponent = f64::from(retry.saturating_sub(1));
        // The power may be infinite, and an infinity times a wait of 0 would be NaN.
        let power = self.factor.powf(exponent).min(f64::MAX);
        let plain = (self.initial.as_secs_f64() * power).min(self.max.as_secs_f64());
        let jitter = if self.jitter > 0.0 { rand::random_range(0.0..=self.jitter) } else { 0.0 };
        // With its jitter, too, a wait must not exceed what a settlement accepts.
        let wait = Duration::try_from_secs_f64(plain * (1.0 + jitter)).unwrap_or(super::limits::MAX_DURATION);
        wait.min(super::limits::MAX_DURATION)
    }

    /// Error `is_invalid`, which names the field, for a factor outside 1 to 1000, a jitter outside 0 to 1, and a wait
    /// above a hundred years.
    pub fn check(&self) -> Result<()> {
        for (name, value, range) in
            [("factor", self.factor, Self::FACTOR), ("jitter", self.jitter, Self::JITTER)]
        {
            if !range.contains(&value) {
                let (first, last) = range.into_inner();
                return Err(Error::invalid(format!(
                    "backoff {name} = {value} is refused: give {first} to {last}"
                )));
            }
        }
        super::limits::check_duration("backoff max", self.max)?;
        super::limits::check_duration("backoff initial", self.initial)
    }
}

/// Durations as seconds, which are readable in JSON and SQL.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(value.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| D::Error::custom(format!("{seconds} is refused: give seconds, 0 to 100 years")))
    }
}
