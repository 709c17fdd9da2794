//! Times as `datetime` in UTC, and spans as seconds or `timedelta`.

use std::time::Duration;

use jiff::Timestamp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess, PyInt, PyString};

use super::fields::given;
use super::imported::imported;
use super::refusal::{beyond, refused};

/// 1970, in UTC.
fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    imported!(py, "omniq.models.base", "EPOCH")
}

/// The advice for times that are refused. The range is the one that Python's `datetime` and the core's `Timestamp` share.
const DATETIME: &str = "give a datetime with a time zone, such as datetime.now(timezone.utc)";
const NAIVE: &str = "it has no time zone: give a datetime with one, such as datetime.now(timezone.utc) or by .replace(tzinfo=timezone.utc)";
const RANGE: &str = "give a time of the years 1 to 9999, before 9999-12-30 22:00 UTC";
/// The advice for spans. `omniq._checks` has the same text for `SPAN` and `LEASE`.
pub(crate) const SPAN: &str = "give seconds, 0 to 100 years, or a timedelta";
pub(crate) const POSITIVE: &str = "give seconds, more than 0 and at most 100 years, or a timedelta";
pub(crate) const LEASE: &str = "give seconds, at least 0.1 and at most 100 years, or a timedelta";

/// The start of the year 1, in microseconds since 1970.
const YEAR_ONE: i64 = -62_135_596_800_000_000;

pub(crate) fn to_datetime(py: Python<'_>, time: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    // Python's `datetime` begins with the year 1, and ends later than the core's `Timestamp`.
    let micros = time.as_microsecond().max(YEAR_ONE);
    let days = micros.div_euclid(86_400_000_000);
    let rest = micros.rem_euclid(86_400_000_000);
    let narrow = |value: i64| i32::try_from(value).map_err(|_| PyTypeError::new_err("time out of range"));
    let delta = PyDelta::new(py, narrow(days)?, narrow(rest / 1_000_000)?, narrow(rest % 1_000_000)?, false)?;
    epoch(py)?.add(delta)
}

pub(crate) fn optional_datetime(
    py: Python<'_>,
    time: Option<Timestamp>,
) -> PyResult<Option<Bound<'_, PyAny>>> {
    time.map(|time| to_datetime(py, time)).transpose()
}

/// Reads a `datetime` with a time zone.
pub(crate) fn from_datetime(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    let py = value.py();
    if !value.is_instance(imported!(py, "datetime", "datetime")?)? {
        return Err(refused(name, value, DATETIME));
    }
    let since = value.sub(epoch(py)?).map_err(|why| match value.getattr("tzinfo") {
        Ok(zone) if zone.is_none() => beyond(name, value, NAIVE),
        _ => beyond(name, value, &format!("{DATETIME} ({})", why.value(py))),
    })?;
    let since = since.cast::<PyDelta>().map_err(|_| refused(name, value, DATETIME))?;
    let micros = (i64::from(since.get_days()) * 86_400 + i64::from(since.get_seconds())) * 1_000_000
        + i64::from(since.get_microseconds());
    Timestamp::from_microsecond(micros).map_err(|_| beyond(name, value, RANGE))
}

/// A time in a field of a model.
pub(crate) fn time_field<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Timestamp>> {
    given(object, name)?.map(|value| from_datetime(&name.to_string_lossy(), &value)).transpose()
}

pub(crate) fn to_timedelta(py: Python<'_>, span: Duration) -> PyResult<Bound<'_, PyDelta>> {
    // The longest `timedelta` has 999,999,999 days.
    let days = i32::try_from(span.as_secs() / 86_400).map_or(999_999_999, |days| days.min(999_999_999));
    // Neither conversion can fail: the values are below 86,400 and 1,000,000.
    let seconds = i32::try_from(span.as_secs() % 86_400).unwrap_or_default();
    let micros = i32::try_from(span.subsec_micros()).unwrap_or_default();
    PyDelta::new(py, days, seconds, micros, false)
}

/// Reads seconds or a `timedelta`, not below zero. `remedy` is the advice in the error.
pub(crate) fn from_span(name: &str, value: &Bound<'_, PyAny>, remedy: &str) -> PyResult<Duration> {
    if let Ok(delta) = value.cast::<PyDelta>() {
        let days = u64::try_from(delta.get_days()).map_err(|_| beyond(name, value, remedy))?;
        let seconds = u64::try_from(delta.get_seconds()).unwrap_or_default();
        let micros = u32::try_from(delta.get_microseconds()).unwrap_or_default();
        return Ok(Duration::new(days * 86_400 + seconds, micros * 1000));
    }
    let seconds: f64 = value.extract().map_err(|_| match value.is_instance_of::<PyInt>() {
        true => beyond(name, value, remedy),
        false => refused(name, value, remedy),
    })?;
    Duration::try_from_secs_f64(seconds).map_err(|_| beyond(name, value, remedy))
}

/// A span in a field of a model.
pub(crate) fn span_field<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    remedy: &str,
) -> PyResult<Option<Duration>> {
    given(object, name)?.map(|value| from_span(&name.to_string_lossy(), &value, remedy)).transpose()
}

/// Seconds or a `timedelta` as an argument.
pub(crate) struct Span(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Span {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        from_span("the span", &value, SPAN).map(Self)
    }
}
