//! Unique tasks: a key, which at most one unfinished task holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::json::floats_beyond_64_bits;
use super::limits::{MAX_KEY, check_key, check_limit};
use super::{Codec, Payload, TaskId};
use crate::{Error, Result};

/// What becomes of an enqueue while another task holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnConflict {
    /// Nothing is added. The enqueue gives the id of the task that holds the key.
    #[default]
    Skip,
    /// If the task that holds the key still waits, it gets what the new one has: queue, function, arguments, priority, retries, backoff,
    /// timeout, callbacks and metadata. It keeps its id, its place in the order of arrival, its start time and its time to live.
    Replace,
    /// As [`Replace`](Self::Replace), and it gets the start time and the time to live of the new one: a debounce.
    Reschedule,
    /// The enqueue fails (`is_duplicate`), with all tasks of its call.
    Error,
}

/// How long a task holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Until {
    /// While it waits. It is free while a worker runs the task. A task that waits for a retry holds it again, unless another has taken it.
    Start,
    /// Until it has ended for good: a dead letter does not hold it.
    End,
}

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// A text: 1 to 500 bytes, without NUL. All functions and queues of a schema share it.
    Text(String),
    /// The function and its arguments; or those of them that are named, of arguments that are a JSON object.
    Args(Option<Vec<String>>),
}

/// That a task is unique, and by what. [`Unique::key`] and [`Unique::args`] make one.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{NewTask, OnConflict, Unique};
/// use std::time::Duration;
/// # fn main() -> omniq_core::Result<()> {
/// let once = Unique::key("invoice:17").period(Duration::from_secs(3600));
/// let mail = NewTask::new("send_invoice", &17)?.unique(once);
/// let debounce = Unique::args().on_conflict(OnConflict::Reschedule).max_wait(Duration::from_secs(300));
/// let index = NewTask::new("reindex", &("customer", 7))?.delay(Duration::from_secs(30)).unique(debounce);
/// assert_eq!(index.unique_key()?.as_deref(), Some(r#"reindex(["customer",7])"#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unique {
    /// The key, or what it is made of.
    pub key: KeySource,
    /// How long a task holds the key. Default: [`Until::End`] for [`OnConflict::Skip`] and [`OnConflict::Error`], [`Until::Start`] for the
    /// others, as a task that runs cannot be changed.
    pub until: Option<Until>,
    /// The key is not free before this span from the enqueue is over, whatever becomes of the task. More than zero, at most 100 years.
    /// Default: none.
    pub period: Option<Duration>,
    /// What becomes of an enqueue while another task holds the key. Default: [`OnConflict::Skip`].
    pub on_conflict: OnConflict,
    /// For [`OnConflict::Reschedule`]: the start is put off to this span after the first enqueue at most. More than zero, at most 100 years.
    /// Default: no limit.
    pub max_wait: Option<Duration>,
}

impl Unique {
    fn new(key: KeySource) -> Self {
        Self { key, until: None, period: None, on_conflict: OnConflict::default(), max_wait: None }
    }

    /// Unique by this key: 1 to 500 bytes, without NUL. All functions and queues of a schema share it.
    pub fn key(key: impl Into<String>) -> Self {
        Self::new(KeySource::Text(key.into()))
    }

    /// Unique by function and arguments. The key is their text, such as `reindex(["customer",7])`, with the fields of objects in the order
    /// of their names; of a long one, or of arguments that are not JSON, their SHA-256.
    pub fn args() -> Self {
        Self::new(KeySource::Args(None))
    }

    /// Unique by function and some of its arguments, which are a JSON object with these fields.
    pub fn fields(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(KeySource::Args(Some(names.into_iter().map(Into::into).collect())))
    }

    /// Sets how long a task holds the key.
    #[must_use]
    pub fn until(mut self, until: Until) -> Self {
        self.until = Some(until);
        self
    }

    /// Sets the span from the enqueue before which the key is not free.
    #[must_use]
    pub fn period(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    /// Sets what becomes of an enqueue while another task holds the key.
    #[must_use]
    pub fn on_conflict(mut self, on_conflict: OnConflict) -> Self {
        self.on_conflict = on_conflict;
        self
    }

    /// Sets how far a start can be put off.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// Whether the key is free while a worker runs the task.
    pub fn is_until_start(&self) -> bool {
        let by_default = matches!(self.on_conflict, OnConflict::Replace | OnConflict::Reschedule);
        self.until.map_or(by_default, |until| until == Until::Start)
    }

    /// Checks everything but whether a task has the arguments; every enqueue calls it first. Error `is_invalid` for a value outside its
    /// bounds.
    pub fn check(&self) -> Result<()> {
        match &self.key {
            KeySource::Text(key) => check_key(key)?,
            KeySource::Args(Some(names)) if names.is_empty() => {
                return Err(Error::invalid(
                    "a task is unique by no argument: name some, or make it unique by all of them",
                ));
            }
            KeySource::Args(_) => {}
        }
        if let Some(period) = self.period {
            check_limit("period", period)?;
        }
        if let Some(max_wait) = self.max_wait {
            check_limit("max_wait", max_wait)?;
            if self.on_conflict != OnConflict::Reschedule {
                return Err(Error::invalid(format!(
                    "max_wait = {} seconds is refused: only on_conflict = reschedule puts a start off",
                    max_wait.as_secs_f64()
                )));
            }
        }
        Ok(())
    }
}

impl Unique {
    /// The key of a task for this function with these arguments.
    pub(super) fn key_of(&self, func: &str, payload: &Payload) -> Result<String> {
        match &self.key {
            KeySource::Text(key) => Ok(key.clone()),
            KeySource::Args(names) => key_of_args(func, payload, names.as_deref()),
        }
    }
}

fn key_of_args(func: &str, payload: &Payload, names: Option<&[String]>) -> Result<String> {
    let bytes = payload.bytes();
    // Two integers beyond 64 bits could become one float.
    let is_exact = *payload.codec() == Codec::Json && floats_beyond_64_bits(bytes).is_empty();
    let args: Option<Value> = if is_exact { serde_json::from_slice(bytes).ok() } else { None };
    let chosen = match (args, names) {
        (args, None) => args,
        (Some(Value::Object(mut fields)), Some(names)) => {
            let chosen = names.iter().map(|name| {
                let value = fields.remove(name).ok_or_else(|| {
                    Error::invalid(format!(
                        "a task for {func:?} is unique by the argument {name:?}, which it does not have, or which is named twice"
                    ))
                })?;
                Ok((name.clone(), value))
            });
            Some(Value::Object(chosen.collect::<Result<_>>()?))
        }
        (_, Some(names)) => {
            return Err(Error::invalid(format!(
                "a task for {func:?} is unique by the arguments {names:?}, and its arguments are no JSON object, or hold an integer \
                 beyond 64 bits: make it unique by all of them, or by a key"
            )));
        }
    };
    let text = chosen.map(|value| Sorted(&value).to_string());
    let hashed = || {
        let hash = Sha256::digest(text.as_ref().map_or(&**bytes, String::as_bytes));
        hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    };
    let fits = |text: &&String| func.len() + text.len() + 2 <= MAX_KEY;
    Ok(format!("{func}({})", text.as_ref().filter(fits).cloned().unwrap_or_else(hashed)))
}

/// Writes a value as JSON without spaces, with the fields of objects in the order of their names.
struct Sorted<'v>(&'v Value);

impl std::fmt::Display for Sorted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::Array(values) => {
                f.write_char('[')?;
                for (index, value) in values.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}", Sorted(value))?;
                }
                f.write_char(']')
            }
            Value::Object(fields) => {
                f.write_char('{')?;
                let sorted: BTreeMap<_, _> = fields.iter().collect();
                for (index, (name, value)) in sorted.into_iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}:{}", Value::from(name.as_str()), Sorted(value))?;
                }
                f.write_char('}')
            }
            plain => write!(f, "{plain}"),
        }
    }
}

macro_rules! names {
    ($kind:ty: $($variant:ident $name:literal),* ; $what:literal) => {
        impl $kind {
            /// The name, in lower case.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(Error::invalid(format!(concat!($what, " = {:?} is unknown: give one of {}"), name, [$($name),*].join(", ")))),
                }
            }
        }
    };
}

names!(OnConflict: Skip "skip", Replace "replace", Reschedule "reschedule", Error "error"; "on_conflict");
names!(Until: Start "start", End "end"; "until");

/// What has become of an enqueue, with the id of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Enqueued {
    /// The task was added.
    New(TaskId),
    /// Nothing was added or changed: this task holds the key. So it is with [`OnConflict::Replace`] and [`OnConflict::Reschedule`], too, if
    /// that task runs or has ended (within its `period`) and cannot be changed any more.
    Skipped(TaskId),
    /// This task waited, and was replaced.
    Replaced(TaskId),
    /// This task waited, and was replaced with its start time.
    Rescheduled(TaskId),
}

impl Enqueued {
    /// The task that was added, or that holds the key.
    pub fn id(self) -> TaskId {
        match self {
            Self::New(id) | Self::Skipped(id) | Self::Replaced(id) | Self::Rescheduled(id) => id,
        }
    }

    /// Whether the task was added.
    pub fn is_new(self) -> bool {
        matches!(self, Self::New(_))
    }

    /// What has become of it: `new`, `skipped`, `replaced` or `rescheduled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Skipped(_) => "skipped",
            Self::Replaced(_) => "replaced",
            Self::Rescheduled(_) => "rescheduled",
        }
    }

    /// By the name; for storages. `None` if it is unknown.
    #[doc(hidden)]
    pub fn of(name: &str, id: TaskId) -> Option<Self> {
        let all = [Self::New(id), Self::Skipped(id), Self::Replaced(id), Self::Rescheduled(id)];
        all.into_iter().find(|enqueued| enqueued.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::NewTask;

    fn key(args: &Value, unique: Unique) -> Result<String> {
        Ok(NewTask::new("f", args)?.unique(unique).unique_key()?.unwrap_or_default())
    }

    #[test]
    fn the_key_of_arguments_is_their_text() {
        let args = json!({"b": [1, {"d": 2.5, "c": "\u{e4}\n"}], "a": null});
        assert_eq!(
            key(&args, Unique::args()).unwrap(),
            "f({\"a\":null,\"b\":[1,{\"c\":\"\u{e4}\\n\",\"d\":2.5}]})"
        );
        assert_eq!(key(&args, Unique::fields(["a"])).unwrap(), "f({\"a\":null})");
        assert_eq!(key(&args, Unique::key("k")).unwrap(), "k");
        let error = key(&args, Unique::fields(["e"])).unwrap_err();
        assert!(error.is_invalid() && error.message().contains("\"e\""), "{error}");
        let error = key(&json!([1]), Unique::fields(["a"])).unwrap_err();
        assert!(error.is_invalid() && error.message().contains("no JSON object"), "{error}");
    }

    #[test]
    fn the_key_of_long_arguments_is_their_hash() {
        let long = |letter: &str| json!({"a": letter.repeat(600), "b": 1});
        let keys = [
            key(&long("x"), Unique::args()).unwrap(),
            key(&long("y"), Unique::args()).unwrap(),
            key(&long("x"), Unique::fields(["a"])).unwrap(),
        ];
        assert!(keys.iter().all(|key| key.starts_with("f(sha256:") && key.len() < 100), "{keys:?}");
        assert!(keys[0] != keys[1] && keys[0] != keys[2], "{keys:?}");
        let raw = |bytes: &[u8]| {
            let task = NewTask::with_payload("f", Payload::new(Codec::Raw, bytes.to_vec()));
            task.unique(Unique::args()).unique_key().unwrap().unwrap()
        };
        assert!(raw(b"a").starts_with("f(sha256:") && raw(b"a") != raw(b"b"));
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let zero = Duration::ZERO;
        for (unique, words) in [
            (Unique::key(""), "the key is empty"),
            (Unique::key("k".repeat(501)), "has 501 bytes: at most 500"),
            (Unique::key("a\0b"), "NUL character"),
            (Unique::fields([] as [&str; 0]), "by no argument"),
            (Unique::key("k").period(zero), "period = 0"),
            (Unique::key("k").on_conflict(OnConflict::Reschedule).max_wait(zero), "max_wait = 0"),
            (Unique::key("k").max_wait(Duration::from_secs(1)), "only on_conflict = reschedule"),
        ] {
            let error = NewTask::new("f", &1).unwrap().unique(unique).check(&Default::default()).unwrap_err();
            assert!(error.is_invalid() && error.message().contains(words), "{error}");
        }
    }
}
