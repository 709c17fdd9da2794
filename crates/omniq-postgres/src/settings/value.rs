//! Reads one value, given as a number, a flag or text, and refuses it without revealing a password.

use std::time::Duration;

use omniq_core::{Error, Result};
use serde::Serializer;
use serde_json::Value;

use super::given::{as_written, written};

/// The error for a value: its name, the value, and what is allowed instead.
pub(super) fn refused(name: &str, value: &Value, allowed: &str) -> Error {
    Error::config(format!("{name} = {} is refused: give {allowed}", shown(value)))
}

/// As [`refused`], for a span, shown in seconds as users write it.
pub(super) fn refused_span(name: &str, span: Duration) -> Error {
    refused(name, &as_written(span.as_secs_f64().to_string()), allowed(name))
}

/// The allowed numbers, for the message of each refusal.
pub(super) fn allowed(name: &str) -> &'static str {
    match name {
        "pool_min" => "a whole number, 0 to pool_max",
        "pool_max" => "a whole number, 1 to 10000",
        "max_payload" => "a whole number, 1 to 1000000000 bytes",
        "lease" => "at least 0.1 seconds and at most 100 years, as a number such as 10 or 0.5",
        "completed_ttl" | "dead_ttl" | "result_ttl" | "event_ttl" => {
            "more than 0 seconds and at most 100 years, as a number such as 3600, or none for no limit"
        }
        _ => "more than 0 seconds and at most 100 years, as a number such as 10 or 0.5",
    }
}

/// The value for an error message. Text that could be a database address, given for the wrong setting, is left out.
fn shown(value: &Value) -> String {
    const LIMIT: usize = 60;
    let text = match (written(value), value) {
        (Some(text), _) => text.to_owned(),
        // The word for no limit, in all formats.
        (None, Value::Null) => "none".to_owned(),
        _ => value.to_string(),
    };
    let secret = ["@", "://", "password", "="].iter().any(|sign| text.to_lowercase().contains(sign));
    if secret {
        "(not shown, as it may hold a password)".into()
    } else if text.chars().count() > LIMIT {
        text.chars().take(LIMIT).chain(['…']).collect()
    } else {
        text
    }
}

pub(super) fn text(name: &str, value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| refused(name, value, "text"))
}

pub(super) fn whole(name: &str, value: &Value) -> Result<usize> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| refused(name, value, allowed(name)))
}

pub(super) fn flag(name: &str, value: &Value) -> Result<bool> {
    match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => return Ok(true),
            "false" | "off" | "no" | "0" => return Ok(false),
            _ => {}
        },
        _ => {}
    }
    Err(refused(name, value, "true or false"))
}

pub(super) fn seconds(name: &str, value: &Value) -> Result<Duration> {
    read_seconds(value).ok_or_else(|| refused(name, value, allowed(name)))
}

pub(super) fn seconds_or_none(name: &str, value: &Value) -> Result<Option<Duration>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().eq_ignore_ascii_case("none") => Ok(None),
        _ => match read_seconds(value) {
            Some(time) => Ok(Some(time)),
            None => Err(refused(name, value, allowed(name))),
        },
    }
}

fn read_seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

pub(super) fn write_seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// TOML has no null, so "no limit" is a word.
pub(super) fn write_seconds_or_none<S: Serializer>(
    time: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => write_seconds(time, to),
        None => to.serialize_str("none"),
    }
}
