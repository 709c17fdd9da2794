//! Limits, and checks that run before anything is written.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Payload;
use super::json::holds_negative_zero;
use crate::{Error, Result};

/// Limits of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest payload in bytes, for arguments and results alike. Default: 16 MiB; PostgreSQL itself takes up to
    /// about 1 GiB.
    pub max_payload: usize,
}

impl Limits {
    /// Error `is_invalid` for a payload that is larger than allowed. The message names `what` it is, and the function.
    pub fn check_payload(&self, what: &str, func: &str, payload: &Payload) -> Result<()> {
        let size = payload.bytes().len();
        if size > self.max_payload {
            return Err(Error::invalid(format!(
                "the {what} of a task for {func:?} has {size} bytes: at most {} are allowed \
                 (store the data elsewhere and pass a reference, or raise max_payload)",
                self.max_payload
            )));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 16 * 1024 * 1024 }
    }
}

/// The most bytes of payloads or results in one call to a storage, where they can be sent in several: PostgreSQL takes no
/// message above 1 GiB, and memory is limited as well.
pub const CALL_BYTES: usize = 64 * 1024 * 1024;
/// The longest name of a queue, function or worker, in bytes.
pub(crate) const MAX_NAME: usize = 128;
/// The largest metadata object, as JSON text, in bytes.
pub(crate) const MAX_METADATA: usize = 64 * 1024;
/// The longest key of a unique task, in bytes.
pub(crate) const MAX_KEY: usize = 500;
/// The longest time span that is accepted: a hundred years.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
/// The shortest lease of a worker.
const MIN_LEASE: Duration = Duration::from_millis(100);

/// Error `is_invalid` unless the name has 1 to 128 bytes and no control character. The message names `what` it is.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    check_length(what, name, MAX_NAME)?;
    if let Some(bad) = name.chars().find(|c| c.is_control()) {
        return Err(Error::invalid(format!(
            "{what} {name:?} holds the control character {bad:?}: leave it out"
        )));
    }
    Ok(())
}

/// Error `is_invalid` unless the key of a unique task has 1 to 500 bytes and no NUL character.
pub(crate) fn check_key(key: &str) -> Result<()> {
    check_length("the key", key, MAX_KEY)?;
    if key.contains('\0') {
        return Err(Error::invalid(format!(
            "the key {key:?} holds a NUL character, which PostgreSQL cannot store: leave it out"
        )));
    }
    Ok(())
}

fn check_length(what: &str, name: &str, most: usize) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(format!("{what} is empty: give it 1 to {most} bytes")));
    }
    if name.len() > most {
        let start: String = name.chars().take(40).collect();
        return Err(Error::invalid(format!(
            "{what} \"{start}…\" has {} bytes: at most {most} are allowed",
            name.len()
        )));
    }
    Ok(())
}

/// The name itself if it passes [`check_name`] or is empty, else a storable form of it. A row that was written past all
/// checks can have a bad name, and the result of its task must still be stored.
pub(super) fn storable_name(name: &str) -> String {
    if name.is_empty() || check_name("", name).is_ok() {
        return name.to_owned();
    }
    let mut kept = name.replace(char::is_control, "\u{fffd}");
    kept.truncate(kept.floor_char_boundary(MAX_NAME));
    kept
}

/// The error for a time span outside its bounds; `allowed` names them.
fn refuse_span(what: &str, value: Duration, allowed: &str) -> Error {
    // In seconds, because users give spans in seconds.
    Error::invalid(format!("{what} = {} seconds is refused: give {allowed}", value.as_secs_f64()))
}

/// Checks a time span: at most a hundred years.
pub(crate) fn check_duration(what: &str, value: Duration) -> Result<()> {
    if value > MAX_DURATION {
        return Err(refuse_span(what, value, "at most 100 years"));
    }
    Ok(())
}

/// Checks a time span that must be given: more than zero, at most a hundred years.
pub(crate) fn check_positive(what: &str, value: Duration) -> Result<()> {
    if value.is_zero() || value > MAX_DURATION {
        return Err(refuse_span(what, value, "more than 0 seconds and at most 100 years"));
    }
    Ok(())
}

/// The same for an optional one, whose absence means no limit.
pub(crate) fn check_limit(what: &str, value: Duration) -> Result<()> {
    if value.is_zero() || value > MAX_DURATION {
        return Err(refuse_span(
            what,
            value,
            "more than 0 seconds and at most 100 years, or none for no limit",
        ));
    }
    Ok(())
}

/// Checks a worker's lease: 100 ms to a hundred years. A heartbeat is sent three times per span.
pub(crate) fn check_lease(value: Duration) -> Result<()> {
    if value < MIN_LEASE || value > MAX_DURATION {
        return Err(refuse_span("lease", value, "at least 0.1 seconds and at most 100 years"));
    }
    Ok(())
}

/// Checks a JSON object for what PostgreSQL cannot keep, at any depth: NUL characters, also in keys, and the float
/// -0.0. The message names `what` it is.
pub(crate) fn check_kept(what: &str, object: &Map<String, Value>) -> Result<()> {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(values) => values.iter().any(in_value),
            Value::Object(object) => in_object(object),
            _ => false,
        }
    }
    fn in_object(object: &Map<String, Value>) -> bool {
        object.iter().any(|(key, value)| key.contains('\0') || in_value(value))
    }
    if holds_negative_zero(object) {
        return Err(Error::invalid(format!(
            "{what} holds the number -0.0, which PostgreSQL's jsonb cannot keep: give 0.0, or write it as a string"
        )));
    }
    if in_object(object) {
        return Err(Error::invalid(format!(
            "{what} holds a NUL character, which PostgreSQL cannot store: leave it out"
        )));
    }
    Ok(())
}

/// Checks the wait before a task runs again.
pub(crate) fn check_delay(delay: Duration) -> Result<()> {
    check_duration("delay", delay)
}
