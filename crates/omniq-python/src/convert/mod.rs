//! Models, from Rust to Python and back. Python's classes are those of `omniq.models`.

pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod json;
pub(crate) mod new_task;
pub(crate) mod payload;
pub(crate) mod result;
pub(crate) mod schedule;
pub(crate) mod settlement;
pub(crate) mod small;
pub(crate) mod task;
pub(crate) mod text;
pub(crate) mod time;

use omniq::Error;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use crate::error::to_py;

/// A class or function of the package, looked up once.
macro_rules! imported {
    ($py:expr, $module:literal, $name:literal) => {{
        static FOUND: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::PyAny>> = pyo3::sync::PyOnceLock::new();
        FOUND
            .get_or_try_init($py, || Ok::<_, pyo3::PyErr>($py.import($module)?.getattr($name)?.unbind()))
            .map(|found| found.bind($py))
    }};
}
pub(crate) use imported;

/// The error for a value that does not fit, naming where it stood.
pub(crate) fn refused(name: impl std::fmt::Display, value: &Bound<'_, PyAny>, why: &PyErr) -> PyErr {
    let py = value.py();
    if class_is_ours(py, why) {
        return why.clone_ref(py);
    }
    if text::is_not_utf8(py, why) {
        return text::not_utf8(name, value);
    }
    let kind = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    to_py(py, Error::invalid(format!("{name} is refused, being of type {kind}: {}", why.value(py))))
}

fn class_is_ours(py: Python<'_>, error: &PyErr) -> bool {
    imported!(py, "omniq.errors", "OmniQError")
        .is_ok_and(|class| error.value(py).is_instance(class).unwrap_or(false))
}

/// A field of a model.
pub(crate) fn field<'py, T>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    let value = object.getattr(name)?;
    match value.extract::<T>() {
        Ok(found) => Ok(found),
        Err(error) => Err(refused(name, &value, &error.into())),
    }
}

/// An integer in a field of a model, or `None`, that has to lie within a range; `name` is that under which the user knows it.
pub(crate) fn integer<'py, T: TryFrom<i64>>(
    object: &Bound<'py, PyAny>,
    field: &Bound<'py, PyString>,
    name: &str,
    range: std::ops::RangeInclusive<i64>,
) -> PyResult<Option<T>> {
    let Some(value) = given(object, field)? else { return Ok(None) };
    let (first, last) = (range.start(), range.end());
    let number = value.cast::<PyInt>().map_err(|why| refused(name, &value, &why.into()))?;
    let within = number.extract::<i64>().ok().filter(|number| range.contains(number));
    let found = within.and_then(|number| T::try_from(number).ok());
    found.map(Some).ok_or_else(|| {
        to_py(value.py(), Error::invalid(format!("{name} = {value} is refused: give {first} to {last}")))
    })
}

/// A field of a model; `None` if it is Python's.
pub(crate) fn given<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let value = object.getattr(name)?;
    Ok(if value.is_none() { None } else { Some(value) })
}
