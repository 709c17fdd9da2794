//! When a failed task runs again.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The wait before a retry: `initial × factor^(retry − 1) + step × (retry − 1)`, at most `max`, or the one that stands at
/// its place in `waits`; then lengthened by a random share of up to `jitter`, so that tasks that failed together do not
/// come back together.
///
/// Defaults: 1 second, factor 2, at most 1 hour, jitter 0.2. [`fixed`](Self::fixed), [`linear`](Self::linear),
/// [`exponential`](Self::exponential) and [`list`](Self::list) make the usual forms.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::Backoff;
/// use std::time::Duration;
/// let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
/// assert_eq!(backoff.delay(1), Duration::from_secs(1));
/// assert_eq!(backoff.delay(4), Duration::from_secs(8));
/// assert_eq!(backoff.delay(1000), Duration::from_secs(3600));
/// let minutes = Backoff::list([1, 5, 30].map(|minutes| Duration::from_secs(60 * minutes)));
/// assert_eq!(minutes.delay(2), Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The wait before the first retry, in seconds where serialized.
    #[serde(with = "seconds")]
    pub initial: Duration,
    /// The factor from each wait to the next: 1 to 1000.
    pub factor: f64,
    /// What each wait is longer than the one before, besides the factor; in seconds where serialized. Default: 0.
    #[serde(with = "seconds", skip_serializing_if = "Duration::is_zero")]
    pub step: Duration,
    /// The longest wait, before jitter; in seconds where serialized.
    #[serde(with = "seconds")]
    pub max: Duration,
    /// The wait before each retry, at most 100; the last one stands for all further ones. If there are any, `initial`,
    /// `factor`, `step` and `max` have no effect. In seconds where serialized. Default: none.
    #[serde(with = "seconds::many", skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Duration>,
    /// The largest random addition, as a share of the wait: 0 to 1.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_secs(1), 2.0)
    }
}

impl Backoff {
    /// The range of `factor`.
    #[doc(hidden)]
    pub const FACTOR: RangeInclusive<f64> = 1.0..=1000.0;
    /// The range of `jitter`.
    #[doc(hidden)]
    pub const JITTER: RangeInclusive<f64> = 0.0..=1.0;
    /// The most `waits`.
    const MOST_WAITS: usize = 100;

    /// The longest wait where none is given.
    const LONGEST: Duration = Duration::from_secs(3600);
    const JITTERED: f64 = 0.2;

    const fn of(initial: Duration, factor: f64, step: Duration, max: Duration, jitter: f64) -> Self {
        Self { initial, factor, step, max, waits: Vec::new(), jitter }
    }

    /// The same wait each time, without jitter.
    pub const fn fixed(wait: Duration) -> Self {
        Self::of(wait, 1.0, Duration::ZERO, wait, 0.0)
    }

    /// `step` before the first retry, and `step` more before each further one; at most an hour, or `step` if that is
    /// longer.
    pub const fn linear(step: Duration) -> Self {
        Self::of(step, 1.0, step, longest(step), Self::JITTERED)
    }

    /// `initial` before the first retry, and `factor` times as long before each further one; at most an hour, or
    /// `initial` if that is longer.
    pub const fn exponential(initial: Duration, factor: f64) -> Self {
        Self::of(initial, factor, Duration::ZERO, longest(initial), Self::JITTERED)
    }

    /// These waits, one after the other, without jitter; the last one stands for all further ones.
    pub fn list(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self { waits: waits.into_iter().collect(), jitter: 0.0, ..Self::default() }
    }

    /// The wait before retry number `retry` (from 1), with random jitter; at most a hundred years.
    pub fn delay(&self, retry: u32) -> Duration {
        let before = retry.saturating_sub(1);
        let plain = match self.waits.last() {
            Some(last) => self.waits.get(before as usize).unwrap_or(last).as_secs_f64(),
            None => self.formula(f64::from(before)),
        };
        let jitter = if self.jitter > 0.0 { rand::random_range(0.0..=self.jitter) } else { 0.0 };
        // With its jitter, too, a wait must not exceed what a settlement accepts.
        let wait = Duration::try_from_secs_f64(plain * (1.0 + jitter)).unwrap_or(super::limits::MAX_DURATION);
        wait.min(super::limits::MAX_DURATION)
    }

    fn formula(&self, before: f64) -> f64 {
        // The power may be infinite, and an infinity times a wait of 0 would be NaN.
        let power = self.factor.powf(before).min(f64::MAX);
        let wait = self.initial.as_secs_f64() * power + self.step.as_secs_f64() * before;
        wait.min(self.max.as_secs_f64())
    }

    /// Error `is_invalid`, which names the field, for a factor outside 1 to 1000, a jitter outside 0 to 1, a wait above a
    /// hundred years, and more than 100 `waits`.
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
        let given = self.waits.len();
        if given > Self::MOST_WAITS {
            return Err(Error::invalid(format!(
                "backoff waits of {given} entries is refused: give at most {}; the last one stands for all further ones",
                Self::MOST_WAITS
            )));
        }
        let spans = [("max", self.max), ("initial", self.initial), ("step", self.step)];
        let waits = self.waits.iter().map(|wait| ("waits", *wait));
        spans
            .into_iter()
            .chain(waits)
            .try_for_each(|(name, span)| super::limits::check_duration(&format!("backoff {name}"), span))
    }
}

/// The default maximum of a backoff that begins with this wait.
const fn longest(first: Duration) -> Duration {
    let usual = Backoff::LONGEST;
    if first.as_nanos() > usual.as_nanos() { first } else { usual }
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

    /// The same for several.
    pub(crate) mod many {
        use std::time::Duration;

        use serde::{Deserialize, Deserializer, Serializer};

        pub(crate) fn serialize<S: Serializer>(values: &[Duration], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(values.iter().map(Duration::as_secs_f64))
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Duration>, D::Error> {
            #[derive(Deserialize)]
            struct One(#[serde(with = "super")] Duration);
            Ok(Vec::<One>::deserialize(from)?.into_iter().map(|one| one.0).collect())
        }
    }
}
