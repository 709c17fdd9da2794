//! Reads the fields of models.

use std::ops::RangeInclusive;

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};

use super::refusal::{Wanted, beyond, misread, refused};

/// The range of a priority.
pub(super) const PRIORITY: RangeInclusive<i64> = -32_768..=32_767;
/// The range of a number of retries.
pub(super) const RETRIES: RangeInclusive<i64> = 0..=1_000_000;

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
    range: RangeInclusive<i64>,
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
