//! Reading one value, given as a number, a flag or text, and refusing it without giving a password away.

use std::time::Duration;

use omniq_core::{Error, Result};
use serde::Serializer;
use serde_json::Value;

/// The error about a value: its name, itself, and what is allowed instead.
pub(super) fn refused(name: &str, value: &Value, allowed: &str) -> Error {
    Error::config(format!("{name} = {} is refused: give {allowed}", shown(value)))
}

/// The value for an error message. Text that could be a database address, put on the wrong line, stays out.
fn shown(value: &Value) -> String {
    const LIMIT: usize = 60;
    let text = value.to_string();
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
    number.ok_or_else(|| refused(name, value, "a whole number that is not negative"))
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
    read_seconds(value).ok_or_else(|| refused(name, value, "seconds, such as 10 or 0.5"))
}

pub(super) fn seconds_or_none(name: &str, value: &Value) -> Result<Option<Duration>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().eq_ignore_ascii_case("none") => Ok(None),
        _ => match read_seconds(value) {
            Some(time) => Ok(Some(time)),
            None => Err(refused(name, value, "seconds, such as 3600, or none")),
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

/// TOML knows no null, so that "no limit" is a word.
pub(super) fn write_seconds_or_none<S: Serializer>(
    time: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => write_seconds(time, to),
        None => to.serialize_str("none"),
    }
}
