//! Callbacks: `omniq.models.Callback`.

use omniq::{Callback, EndKind, Error};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{IntoPyObjectExt, intern};

use super::fields::{PRIORITY, RETRIES, field, given, integer};
use super::imported::imported;
use super::refusal::refused;
use super::small::{from_backoff, to_backoff};
use super::time::{POSITIVE, span_field, to_timedelta};
use crate::error::to_py;

/// Reads the field `callbacks` of a model.
pub(crate) fn callbacks_field(value: &Bound<'_, PyAny>) -> PyResult<Vec<Callback>> {
    let given = value.getattr(intern!(value.py(), "callbacks"))?;
    let class = imported!(value.py(), "omniq.models.callback", "Callback")?;
    let one = |callback: PyResult<Bound<'_, PyAny>>| {
        let callback = callback?;
        if !callback.is_instance(class)? {
            return Err(refused("callbacks", &callback, "give Callback objects"));
        }
        from_callback(&callback)
    };
    given
        .try_iter()
        .map_err(|_| refused("callbacks", &given, "give a tuple of Callback objects"))?
        .map(one)
        .collect()
}

/// Raises the core's error if the callback is invalid.
#[pyfunction]
pub(crate) fn check_callback(callback: &Bound<'_, PyAny>) -> PyResult<()> {
    from_callback(callback)?.check().map_err(|error| to_py(callback.py(), error))
}

fn from_callback(value: &Bound<'_, PyAny>) -> PyResult<Callback> {
    let py = value.py();
    let ends = value.getattr(intern!(py, "on"))?;
    let remedy = "give a tuple of success, retry, dead, cancelled, discarded and expired";
    let names: Vec<String> = ends.extract().map_err(|_| refused("on", &ends, remedy))?;
    let kind = |name: &String| {
        let known = EndKind::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| to_py(py, Error::invalid(format!("on = {name:?} is refused: {remedy}"))))
    };
    let on: Vec<EndKind> = names.iter().map(kind).collect::<PyResult<_>>()?;
    let mut callback = Callback::new(on, field::<String>(value, intern!(py, "func"))?);
    callback = callback.queue(field::<String>(value, intern!(py, "queue"))?);
    if let Some(priority) = integer(value, intern!(py, "priority"), PRIORITY)? {
        callback.priority = priority;
    }
    if let Some(retries) = integer(value, intern!(py, "max_retries"), RETRIES)? {
        callback.max_retries = retries;
    }
    callback.backoff =
        given(value, intern!(py, "backoff"))?.map(|backoff| from_backoff(&backoff)).transpose()?;
    callback.timeout = span_field(value, intern!(py, "timeout"), POSITIVE)?;
    Ok(callback)
}

/// The callbacks as a tuple of models.
pub(crate) fn to_callbacks<'py>(py: Python<'py>, callbacks: &[Callback]) -> PyResult<Bound<'py, PyAny>> {
    let made = callbacks.iter().map(|callback| to_callback(py, callback)).collect::<PyResult<Vec<_>>>()?;
    PyTuple::new(py, made)?.into_bound_py_any(py)
}

fn to_callback<'py>(py: Python<'py>, callback: &Callback) -> PyResult<Bound<'py, PyAny>> {
    let named = PyDict::new(py);
    named.set_item("on", PyTuple::new(py, callback.on.iter().map(|kind| kind.name()))?)?;
    named.set_item("func", &*callback.func)?;
    named.set_item("queue", &*callback.queue)?;
    named.set_item("priority", callback.priority)?;
    named.set_item("max_retries", callback.max_retries)?;
    named
        .set_item("backoff", callback.backoff.as_ref().map(|backoff| to_backoff(py, backoff)).transpose()?)?;
    named.set_item("timeout", callback.timeout.map(|span| to_timedelta(py, span)).transpose()?)?;
    imported!(py, "omniq.models.callback", "Callback")?.call((), Some(&named))
}
