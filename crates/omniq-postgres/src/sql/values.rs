//! Converts values of the models into parameters of statements.

use std::fmt::Write as _;
use std::time::Duration;

use omniq_core::{Error, Result, TaskId};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::jsonb;

/// Counters of the models stay far below the limit of `i32`.
pub(crate) fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(crate) fn uuids(ids: &[TaskId]) -> Vec<Uuid> {
    ids.iter().map(TaskId::as_uuid).collect()
}

pub(crate) fn object(map: &Map<String, Value>) -> Result<Option<String>> {
    if map.is_empty() { Ok(None) } else { jsonb::text(map).map(Some) }
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::codec(format!("a value cannot be written as JSON: {error}")))
}

pub(crate) fn seconds(span: Option<Duration>) -> Option<f64> {
    span.map(|span| span.as_secs_f64())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}
