//! Callbacks: tasks that are enqueued when another task has ended or is retried.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Backoff;
use super::limits::{check_limit, check_name};
use super::retry::seconds;
use crate::{Error, Result};

/// The most callbacks of one task.
const MOST: usize = 32;

/// How a task, or a run of it, has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EndKind {
    /// A run has completed the task.
    Success,
    /// A run has failed, or its worker was lost, and the task is retried.
    Retry,
    /// The last run has failed, or its worker was lost: the task is a dead letter.
    Dead,
    /// The task was cancelled.
    Cancelled,
    /// A handler has dropped the task.
    Discarded,
    /// No worker has begun the task in time.
    Expired,
}

impl EndKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Retry, Self::Dead, Self::Cancelled, Self::Discarded, Self::Expired];

    /// The name, as it is written in JSON: `success`, `retry`, `dead`, `cancelled`, `discarded` or `expired`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
            Self::Expired => "expired",
        }
    }
}

/// A callback: the function whose task is enqueued when another task ends in one of these ways. Its argument is an
/// [`Ended`](super::Ended).
///
/// That task is enqueued in the transaction that ends the other one, whatever ends it: a run, a cancel, the expiry, or the
/// rescue of a lost worker's tasks. So it is enqueued exactly once for each end, also after a crash; it runs as any task
/// does, at least once, on any worker that knows its function. A task that is deleted, purged, or settled by the queue
/// alone (`queue.complete`) has no end in this sense.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{Backend, Callback, EndKind, Ended, MemoryQueue, NewTask, Worker};
/// use std::sync::{Arc, Mutex};
///
/// async fn charge(_: u32) -> Result<(), &'static str> {
///     Err("the card is refused")
/// }
/// # fn main() -> omniq_core::Result<()> {
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// let backend = Backend::new(Arc::new(MemoryQueue::new()));
/// let task = NewTask::new("charge", &17)?.max_retries(0);
/// backend.enqueue(task.callback(Callback::new([EndKind::Dead], "alert"))).await?;
///
/// let seen = Arc::new(Mutex::new(None));
/// let alert = {
///     let seen = Arc::clone(&seen);
///     move |ended: Ended, _| {
///         *seen.lock().unwrap() = ended.error.map(|error| error.message);
///         async { Ok(()) }
///     }
/// };
/// Worker::builder(&backend)
///     .function("charge", charge)
///     .register("alert", alert)
///     .build()?
///     .run_until_idle()
///     .await?;
/// assert_eq!(seen.lock().unwrap().as_deref(), Some("the card is refused"));
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Callback {
    /// The ends for which it is: at least one.
    pub on: Cow<'static, [EndKind]>,
    /// The name of the function.
    pub func: Cow<'static, str>,
    /// The queue of its tasks. Default: `default`.
    #[serde(default = "default_queue", skip_serializing_if = "is_default_queue")]
    pub queue: Cow<'static, str>,
    /// The priority of its tasks. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i16,
    /// How many times its tasks may be retried. Default: 3.
    #[serde(default = "default_retries", skip_serializing_if = "is_default_retries")]
    pub max_retries: u32,
    /// The wait before a retry. Default: [`Backoff::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// The longest that one run may take; in seconds where serialized. Default: no limit.
    #[serde(default, with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

impl Callback {
    /// A callback by this function, for these ends.
    pub fn new(on: impl Into<Vec<EndKind>>, func: impl Into<Cow<'static, str>>) -> Self {
        Self {
            on: Cow::Owned(on.into()),
            func: func.into(),
            queue: default_queue(),
            priority: 0,
            max_retries: default_retries(),
            backoff: None,
            timeout: None,
        }
    }

    /// The same in a constant: for [`TaskDef::callbacks`](super::TaskDef::callbacks).
    pub const fn fixed(on: &'static [EndKind], func: &'static str) -> Self {
        Self {
            on: Cow::Borrowed(on),
            func: Cow::Borrowed(func),
            queue: default_queue(),
            priority: 0,
            max_retries: default_retries(),
            backoff: None,
            timeout: None,
        }
    }

    /// Sets the queue of its tasks.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<Cow<'static, str>>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Sets the priority of its tasks: higher first.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Sets how many times its tasks may be retried.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the wait before a retry of its tasks.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Sets the longest that one run of its tasks may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Error `is_invalid` for bad names, no end, more than 1,000,000 retries, and a bad backoff or timeout.
    pub fn check(&self) -> Result<()> {
        let context = |error: Error| error.context(format!("callback {:?}", self.func));
        check_name("function name", &self.func).map_err(context)?;
        check_name("queue name", &self.queue).map_err(context)?;
        if self.on.is_empty() {
            return Err(context(Error::invalid("it is for no end: name at least one")));
        }
        if self.max_retries > 1_000_000 {
            let given = self.max_retries;
            return Err(context(Error::invalid(format!(
                "max_retries = {given} is refused: give 0 to 1000000"
            ))));
        }
        self.backoff.as_ref().map_or(Ok(()), Backoff::check).map_err(context)?;
        self.timeout.map_or(Ok(()), |timeout| check_limit("timeout", timeout)).map_err(context)
    }
}

/// Checks the callbacks of a task. Error `is_invalid`, which names the callback.
pub(super) fn check(callbacks: &[Callback]) -> Result<()> {
    if callbacks.len() > MOST {
        let given = callbacks.len();
        return Err(Error::invalid(format!("{given} callbacks are refused: give a task at most {MOST}")));
    }
    callbacks.iter().try_for_each(Callback::check)
}

const fn default_queue() -> Cow<'static, str> {
    Cow::Borrowed("default")
}

fn is_default_queue(queue: &str) -> bool {
    queue == "default"
}

const fn default_retries() -> u32 {
    3
}

fn is_default_retries(retries: &u32) -> bool {
    *retries == default_retries()
}

fn is_zero(priority: &i16) -> bool {
    *priority == 0
}

/// As [`seconds`], for a span that may be missing.
mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Span(#[serde(with = "super::seconds")] Duration);

    #[allow(clippy::ref_option)]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::seconds::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Span>::deserialize(from)?.map(|span| span.0))
    }
}
