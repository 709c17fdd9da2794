//! A task before it is enqueued.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::limits::{MAX_METADATA, check_duration, check_kept, check_limit, check_name};
use super::{After, Backoff, Callback, Codec, IfFailed, KeySource, Limits, Payload, TaskId, Unique, numbers};
use crate::{Error, Result};

/// A task to enqueue: function, arguments and options.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::NewTask;
/// use std::time::Duration;
/// let task = NewTask::new("send_mail", &("ann@example.org", 3)).unwrap()
///     .queue("mail").priority(5).delay(Duration::from_secs(60)).max_retries(2);
/// assert!(task.check(&Default::default()).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NewTask {
    /// The id; made at enqueue if none is given. An id that is in use is refused (`is_duplicate`).
    pub id: Option<TaskId>,
    /// The queue. Default: `default`.
    pub queue: String,
    /// The name of the function that workers have registered.
    pub func: String,
    /// The arguments.
    pub payload: Payload,
    /// Tasks of higher priority are claimed first. Default: 0.
    pub priority: i16,
    /// The earliest start time. Default: at once. Refused together with `delay`.
    pub run_at: Option<Timestamp>,
    /// The earliest start, as a span from now by the database's clock: at most 100 years.
    pub delay: Option<Duration>,
    /// The task expires if no worker has begun it within this span from the later of creation and start time. More than
    /// zero, at most 100 years. Default: no end.
    pub ttl: Option<Duration>,
    /// How many times the task may be retried: 3 allows 4 runs. At most 1,000,000. Default: 3.
    pub max_retries: u32,
    /// The wait before a retry. Default: [`Backoff::default`].
    pub backoff: Option<Backoff>,
    /// The longest that one run may take: more than zero, at most 100 years. Default: no limit.
    pub timeout: Option<Duration>,
    /// The user's data about the task: a JSON object, at most 64 KiB as text.
    pub metadata: Map<String, Value>,
    /// What is enqueued when it ends: at most 32. Default: none.
    pub callbacks: Vec<Callback>,
    /// That at most one unfinished task has its key, and what happens if one has. Default: none.
    pub unique: Option<Unique>,
    /// The tasks after whose end it runs. Default: none.
    pub after: Option<After>,
    /// Whether `id` was made by [`own_id`](Self::own_id): it is new.
    #[doc(hidden)]
    pub is_id_new: bool,
    /// Why a value of `metadata` was refused; [`check`](Self::check) reports it.
    #[doc(hidden)]
    pub refused: Option<String>,
}

impl NewTask {
    /// Whether a storage may keep both in one segment: neither came with an id or a key, and they share everything but their
    /// arguments.
    #[doc(hidden)]
    pub fn is_alike(&self, other: &Self) -> bool {
        // Destructured, so that a field added later is not forgotten here.
        let Self {
            id,
            queue,
            func,
            payload,
            priority,
            run_at,
            delay,
            ttl,
            max_retries,
            backoff,
            timeout,
            metadata,
            callbacks,
            unique,
            after,
            is_id_new: _,
            refused,
        } = self;
        id.is_none()
            && other.id.is_none()
            && unique.is_none()
            && other.unique.is_none()
            && after.is_none()
            && other.after.is_none()
            && *queue == other.queue
            && *func == other.func
            && payload.codec() == other.payload.codec()
            && *priority == other.priority
            && *run_at == other.run_at
            && *delay == other.delay
            && *ttl == other.ttl
            && *max_retries == other.max_retries
            && *backoff == other.backoff
            && *timeout == other.timeout
            && *metadata == other.metadata
            && *callbacks == other.callbacks
            && refused.is_none()
            && other.refused.is_none()
    }

    /// A task with these arguments, written as JSON. Error `is_codec` for what JSON cannot represent.
    pub fn new(func: impl Into<String>, args: &(impl Serialize + ?Sized)) -> Result<Self> {
        Ok(Self::with_payload(func, Payload::json(args)?))
    }

    /// A task with arguments that are encoded already.
    pub fn with_payload(func: impl Into<String>, payload: Payload) -> Self {
        Self {
            id: None,
            queue: "default".to_owned(),
            func: func.into(),
            payload,
            priority: 0,
            run_at: None,
            delay: None,
            ttl: None,
            max_retries: 3,
            backoff: None,
            timeout: None,
            metadata: Map::new(),
            callbacks: Vec::new(),
            unique: None,
            after: None,
            is_id_new: false,
            refused: None,
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: TaskId) -> Self {
        (self.id, self.is_id_new) = (Some(id), false);
        self
    }

    /// The id that the task will have, made now if it has none: by it, others of the same call can run after this one. A copy has the same
    /// id, and only one of both can be enqueued.
    pub fn own_id(&mut self) -> TaskId {
        if self.id.is_none() {
            self.is_id_new = true;
        }
        *self.id.get_or_insert_with(TaskId::new)
    }

    /// Whether the user chose the id, so that an earlier task may have had it.
    #[doc(hidden)]
    pub fn is_id_chosen(&self) -> bool {
        self.id.is_some() && !self.is_id_new
    }

    /// Sets the queue.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// Sets the priority: higher first.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the earliest start time, in place of a delay that was set before; a time that has passed means at once.
    #[must_use]
    pub fn run_at(mut self, time: Timestamp) -> Self {
        (self.run_at, self.delay) = (Some(time), None);
        self
    }

    /// Sets the earliest start as a span from now, in place of a time that was set before.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        (self.delay, self.run_at) = (Some(delay), None);
        self
    }

    /// Sets the time to live.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets how many times the task may be retried.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the wait before a retry.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// Sets the longest that one run may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds a value to the metadata. One that JSON cannot represent, such as NaN or an integer beyond 64 bits, is
    /// refused at enqueue.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        add_note(&mut self.metadata, &mut self.refused, "metadata", key.into(), value);
        self
    }

    /// Adds a callback: a task that is enqueued when this one ends in one of the callback's ways.
    #[must_use]
    pub fn callback(mut self, callback: Callback) -> Self {
        self.callbacks.push(callback);
        self
    }

    /// The key of a task that is unique, as text. Errors: `is_invalid` for a key of arguments that are not there.
    pub fn unique_key(&self) -> Result<Option<String>> {
        self.unique.as_ref().map(|unique| unique.key_of(&self.func, &self.payload)).transpose()
    }

    /// The same task, unique by the text of its key; for storages.
    #[doc(hidden)]
    pub fn with_key_as_text(mut self) -> Result<Self> {
        if let Some(key) = self.unique_key()?
            && let Some(unique) = &mut self.unique
        {
            unique.key = KeySource::Text(key);
        }
        Ok(self)
    }

    /// Makes the task unique: at most one unfinished task holds its key.
    #[must_use]
    pub fn unique(mut self, unique: Unique) -> Self {
        self.unique = Some(unique);
        self
    }

    /// Makes the task run after these have ended: tasks that are in the queue, that have a result, or that stand before it in the same
    /// call. Until then it is blocked. Its time to live counts from then on.
    ///
    /// It runs only after each of them has ended as [`if_failed`](Self::if_failed) asks. It is never forgotten: the end of a task and the note of it
    /// are one commit, and every worker acts on notes.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::NewTask;
    /// # fn main() -> omniq_core::Result<()> {
    /// let mut fetch = NewTask::new("fetch", "https://example.org")?;
    /// let report = NewTask::new("report", &())?.after([fetch.own_id()]);
    /// let both = vec![fetch, report]; // for enqueue_many
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn after(mut self, tasks: impl IntoIterator<Item = TaskId>) -> Self {
        let if_failed = self.after.map(|after| after.if_failed).unwrap_or_default();
        self.after = Some(After::new(tasks).if_failed(if_failed));
        self
    }

    /// Sets what becomes of the task if one that it waits for does not complete. Default: [`IfFailed::End`].
    #[must_use]
    pub fn if_failed(mut self, if_failed: IfFailed) -> Self {
        self.after = Some(self.after.unwrap_or_else(|| After::new([])).if_failed(if_failed));
        self
    }

    /// Checks everything that can be checked before the enqueue; every enqueue calls it first. Errors: `is_invalid` for
    /// a value outside its bounds, or for `run_at` together with `delay`; `is_codec` for a bad codec name.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        check_name("queue name", &self.queue)?;
        check_name("function name", &self.func)?;
        limits.check_payload("payload", &self.func, &self.payload)?;
        self.payload.codec().name().parse::<Codec>()?;
        if let Some(delay) = self.delay {
            if let Some(time) = self.run_at {
                return Err(Error::invalid(format!(
                    "run_at = {time} and delay = {} seconds are both given: give one of them, as both say when the task starts",
                    delay.as_secs_f64()
                )));
            }
            check_duration("delay", delay)?;
        }
        if let Some(ttl) = self.ttl {
            check_limit("ttl", ttl)?;
        }
        if let Some(timeout) = self.timeout {
            check_limit("timeout", timeout)?;
        }
        if let Some(backoff) = &self.backoff {
            backoff.check()?;
        }
        if self.max_retries > 1_000_000 {
            return Err(Error::invalid(format!(
                "max_retries = {} is refused: give 0 to 1000000",
                self.max_retries
            )));
        }
        super::callback::check(&self.callbacks)?;
        if let Some(unique) = &self.unique {
            unique.check()?;
            self.unique_key()?;
        }
        if let Some(after) = &self.after {
            after.check()?;
        }
        if let Some(words) = &self.refused {
            return Err(Error::invalid(words.clone()));
        }
        check_metadata(&self.metadata)
    }
}

/// Adds a value to an object, or sets `refused` to the reason why it cannot be added; `what` names the object.
pub(super) fn add_note(
    object: &mut Map<String, Value>,
    refused: &mut Option<String>,
    what: &str,
    key: String,
    value: impl Serialize,
) {
    match note(&value) {
        Ok(value) => drop(object.insert(key, value)),
        Err(words) => *refused = Some(format!("{what} {key:?} is refused: {words}")),
    }
}

fn note(value: &impl Serialize) -> Result<Value, String> {
    let note = serde_json::to_value(value).map_err(|error| error.to_string())?;
    numbers::check_finite(value)?;
    Ok(note)
}

/// Checks a task's metadata: at most 64 KiB as JSON, and nothing that a storage would change. Error `is_invalid`.
pub fn check_metadata(metadata: &Map<String, Value>) -> Result<()> {
    if metadata.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(metadata).unwrap_or_default();
    if text.len() > MAX_METADATA {
        return Err(Error::invalid(format!(
            "metadata has {} bytes as JSON: at most {MAX_METADATA} are allowed",
            text.len()
        )));
    }
    check_kept("metadata", metadata)
}
