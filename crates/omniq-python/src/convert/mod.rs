//! Models, from Rust to Python and back. Python's classes are those of `omniq.models`.

pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod json;
pub(crate) mod new_task;
pub(crate) mod payload;
pub(crate) mod refusal;
pub(crate) mod result;
pub(crate) mod schedule;
pub(crate) mod settlement;
pub(crate) mod small;
pub(crate) mod task;
pub(crate) mod text;
pub(crate) mod time;

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use refusal::{Wanted, beyond, misread, refused};

/// A class, function or constant of a Python module, looked up once.
macro_rules! imported {
    ($py:expr, $module:literal, $name:literal) => {{
        static FOUND: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::PyAny>> = pyo3::sync::PyOnceLock::new();
        FOUND
            .get_or_try_init($py, || Ok::<_, pyo3::PyErr>($py.import($module)?.getattr($name)?.unbind()))
            .map(|found| found.bind($py))
    }};
}
pub(crate) use imported;

/// A field of a model.
pub(crate) fn field<'py, T>(object: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py> + Wanted,
{
    let value = object.getattr(name)?;
    value.extract::<T>().map_err(|error| misread::<T>(name, &value, error.into()))
}

/// An integer within a range, or `None`, in a field of a model.
pub(crate) fn integer<'py, T: TryFrom<i64>>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    range: std::ops::RangeInclusive<i64>,
) -> PyResult<Option<T>> {
    let Some(value) = given(object, name)? else { return Ok(None) };
    let (first, last) = (range.start(), range.end());
    let number = value.cast::<PyInt>().map_err(|_| {
        let remedy = format!("give a whole number, {first} to {last}");
        refused(name, &value, &remedy)
    })?;
    let within = number.extract::<i64>().ok().filter(|number| range.contains(number));
    let found = within.and_then(|number| T::try_from(number).ok());
    found.map(Some).ok_or_else(|| beyond(name, &value, &format!("give {first} to {last}")))
}

/// A field of a model; `None` if the field is Python's `None`.
pub(crate) fn given<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let value = object.getattr(name)?;
    Ok(if value.is_none() { None } else { Some(value) })
}
