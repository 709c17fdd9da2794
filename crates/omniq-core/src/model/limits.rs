//! What is accepted: checks that run before anything is written.

use std::time::Duration;

use serde_json::{Map, Value};

use super::json::holds_negative_zero;
use super::{Payload, TaskResult};
use crate::{Error, Result};

/// Limits of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest payload, arguments and results alike, in bytes. Default: 16 MiB; PostgreSQL itself takes up to about 1 GiB.
    pub max_payload: usize,
}

impl Limits {
    /// Refuses (`is_invalid`) a payload, `what` of whatever it says, that is larger than allowed.
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

    /// The same for a result's value.
    pub fn check_result(&self, result: &TaskResult) -> Result<()> {
        result.value.as_ref().map_or(Ok(()), |value| self.check_payload("result", &result.func, value))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 16 * 1024 * 1024 }
    }
}

/// The longest name of a queue, function or worker, in bytes.
pub(crate) const MAX_NAME: usize = 128;
/// The largest metadata object, as JSON text, in bytes.
pub(crate) const MAX_METADATA: usize = 64 * 1024;
/// The longest time span that is accepted: a hundred years.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Checks a name (`what` says of what): 1 to 128 bytes, no control characters.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(format!("{what} is empty: give it 1 to {MAX_NAME} bytes")));
    }
    if name.len() > MAX_NAME {
        let start: String = name.chars().take(40).collect();
        return Err(Error::invalid(format!(
            "{what} \"{start}…\" has {} bytes: at most {MAX_NAME} are allowed",
            name.len()
        )));
    }
    if let Some(bad) = name.chars().find(|c| c.is_control()) {
        return Err(Error::invalid(format!(
            "{what} {name:?} holds the control character {bad:?}: leave it out"
        )));
    }
    Ok(())
}

/// The name itself if it passes [`check_name`], else what can be kept of it: somebody may have written it past all checks, and what
/// came of the task must be stored all the same.
pub(super) fn storable_name(name: &str) -> String {
    if name.is_empty() || check_name("", name).is_ok() {
        return name.to_owned();
    }
    let mut kept = name.replace(char::is_control, "\u{fffd}");
    kept.truncate(kept.floor_char_boundary(MAX_NAME));
    kept
}

/// Checks a time span: at most a hundred years.
pub(crate) fn check_duration(what: &str, value: Duration) -> Result<()> {
    if value > MAX_DURATION {
        return Err(Error::invalid(format!(
            "{what} of {} seconds is longer than 100 years",
            value.as_secs()
        )));
    }
    Ok(())
}

/// Checks a time span that must not be zero.
pub(crate) fn check_positive(what: &str, value: Duration) -> Result<()> {
    if value.is_zero() {
        return Err(Error::invalid(format!("{what} is 0: give a longer time, or none for no limit")));
    }
    check_duration(what, value)
}

/// Checks a JSON object (`what` says of what) for what PostgreSQL would not keep, at any depth: NUL characters, also in keys, and
/// the float -0.0.
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
