//! What makes a task unique: `omniq.models.Unique`, and what has become of its enqueue: `omniq.models.Enqueued`.

use omniq::{Enqueued, KeySource, Unique};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{IntoPyObjectExt, intern};

use super::fields::{field, given};
use super::imported::imported;
use super::refusal::refused;
use super::small::parsed;
use super::time::{POSITIVE, span_field, to_timedelta};
use crate::error::to_py;

/// Reads the field `unique` of a model.
pub(crate) fn unique_field(value: &Bound<'_, PyAny>) -> PyResult<Option<Unique>> {
    let py = value.py();
    let Some(given) = given(value, intern!(py, "unique"))? else { return Ok(None) };
    if !given.is_instance(imported!(py, "omniq.models.unique", "Unique")?)? {
        return Err(refused("unique", &given, "give a Unique, such as Unique(key=\"invoice:17\")"));
    }
    from_unique(&given).map(Some)
}

/// Raises the core's error if it is invalid.
#[pyfunction]
pub(crate) fn check_unique(value: &Bound<'_, PyAny>) -> PyResult<()> {
    from_unique(value)?.check().map_err(|error| to_py(value.py(), error))
}

fn from_unique(value: &Bound<'_, PyAny>) -> PyResult<Unique> {
    let py = value.py();
    let key: Option<String> = field(value, intern!(py, "key"))?;
    let names = given(value, intern!(py, "args"))?;
    let mut unique = match (key, names) {
        (Some(key), None) => Unique::key(key),
        (None, None) => Unique::args(),
        (None, Some(names)) => {
            let remedy = "give the names of arguments, such as (\"customer\",)";
            let names: Vec<String> = names.extract().map_err(|_| refused("args", &names, remedy))?;
            Unique::fields(names)
        }
        (Some(_), Some(names)) => {
            return Err(refused("args", &names, "a key is given: give one of both"));
        }
    };
    unique.on_conflict = parsed("on_conflict", &value.getattr(intern!(py, "on_conflict"))?)?;
    unique.until = given(value, intern!(py, "until"))?.map(|until| parsed("until", &until)).transpose()?;
    unique.period = span_field(value, intern!(py, "period"), POSITIVE)?;
    unique.max_wait = span_field(value, intern!(py, "max_wait"), POSITIVE)?;
    Ok(unique)
}

pub(crate) fn to_unique<'py>(py: Python<'py>, unique: Option<&Unique>) -> PyResult<Bound<'py, PyAny>> {
    let Some(unique) = unique else { return Ok(py.None().into_bound(py)) };
    let named = PyDict::new(py);
    match &unique.key {
        KeySource::Text(key) => named.set_item("key", key)?,
        KeySource::Args(Some(names)) => named.set_item("args", PyTuple::new(py, names)?)?,
        _ => {}
    }
    named.set_item("on_conflict", unique.on_conflict.name())?;
    named.set_item("until", unique.until.map(|until| until.name()))?;
    for (name, span) in [("period", unique.period), ("max_wait", unique.max_wait)] {
        named.set_item(name, span.map(|span| to_timedelta(py, span)).transpose()?)?;
    }
    imported!(py, "omniq.models.unique", "Unique")?.call((), Some(&named))
}

pub(crate) fn to_enqueued(py: Python<'_>, enqueued: Enqueued) -> PyResult<Bound<'_, PyAny>> {
    let fields = (enqueued.id().as_uuid(), enqueued.name());
    imported!(py, "omniq.models.unique", "Enqueued")?.call1(fields)?.into_bound_py_any(py)
}
