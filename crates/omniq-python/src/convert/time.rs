//! Points in time and spans: `datetime` in UTC, and seconds or `timedelta`.

use std::time::Duration;

use jiff::Timestamp;
use omniq::Error;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDeltaAccess, PyString};

use super::{given, imported, refused};
use crate::error::to_py;

/// 1970, in UTC.
fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    imported!(py, "omniq.models.base", "EPOCH")
}

/// In microseconds of the epoch.
const YEAR_ONE: i64 = -62_135_596_800_000_000;

pub(crate) fn to_datetime(py: Python<'_>, time: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    // Python's clock begins with the year 1; it ends behind that of the core.
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
    let since = value.sub(epoch(py)?).map_err(|why| {
        let naive = value.getattr("tzinfo").is_ok_and(|zone| zone.is_none());
        let words =
            if naive { "it has no time zone: give it one, such as datetime.timezone.utc" } else { "" };
        let message = format!("{name} = {value} is refused: give a datetime with a time zone ({words}{})", {
            if naive { String::new() } else { why.value(py).to_string() }
        });
        to_py(py, Error::invalid(message))
    })?;
    let since = since.cast::<PyDelta>().map_err(|why| refused(name, value, &why.into()))?;
    let micros = (i64::from(since.get_days()) * 86_400 + i64::from(since.get_seconds())) * 1_000_000
        + i64::from(since.get_microseconds());
    Timestamp::from_microsecond(micros)
        .map_err(|why| to_py(py, Error::invalid(format!("{name} = {value} is refused: {why}"))))
}

/// A time in a field of a model.
pub(crate) fn time_field<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Timestamp>> {
    given(object, name)?.map(|value| from_datetime(&name.to_string_lossy(), &value)).transpose()
}

pub(crate) fn to_timedelta(py: Python<'_>, span: Duration) -> PyResult<Bound<'_, PyDelta>> {
    // Python's longest one.
    let days = i32::try_from(span.as_secs() / 86_400).map_or(999_999_999, |days| days.min(999_999_999));
    // Both are below their units' bounds.
    let seconds = i32::try_from(span.as_secs() % 86_400).unwrap_or_default();
    let micros = i32::try_from(span.subsec_micros()).unwrap_or_default();
    PyDelta::new(py, days, seconds, micros, false)
}

/// Reads seconds or a `timedelta`, not below zero.
pub(crate) fn from_span(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let py = value.py();
    let bad = |words: &str| to_py(py, Error::invalid(format!("{name} = {value} is refused: {words}")));
    if let Ok(delta) = value.cast::<PyDelta>() {
        let days = u64::try_from(delta.get_days()).map_err(|_| bad("it is below zero"))?;
        let seconds = u64::try_from(delta.get_seconds()).unwrap_or_default();
        let micros = u32::try_from(delta.get_microseconds()).unwrap_or_default();
        return Ok(Duration::new(days * 86_400 + seconds, micros * 1000));
    }
    let seconds: f64 = value.extract().map_err(|_| bad("give seconds or a timedelta"))?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| bad("give seconds that are not negative, or a timedelta"))
}

/// A span in a field of a model.
pub(crate) fn span_field<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Duration>> {
    given(object, name)?.map(|value| from_span(&name.to_string_lossy(), &value)).transpose()
}

/// Seconds or a `timedelta` as an argument.
pub(crate) struct Span(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Span {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        from_span("the span", &value).map(Self)
    }
}

/// A `datetime` with a time zone as an argument.
pub(crate) struct Time(pub(crate) Timestamp);

impl<'py> FromPyObject<'_, 'py> for Time {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        from_datetime("the time", &value).map(Self)
    }
}
