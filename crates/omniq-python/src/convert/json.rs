//! JSON objects, such as metadata: a dict on Python's side.

use omniq::Error;
use omniq::port::read_object;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use serde_json::{Map, Value};

use super::fields::given;
use super::imported::imported;
use super::name::is_not_utf8;
use crate::error::to_py;

pub(crate) fn to_dict<'py>(py: Python<'py>, object: &Map<String, Value>) -> PyResult<Bound<'py, PyAny>> {
    if object.is_empty() {
        return Ok(PyDict::new(py).into_any());
    }
    let text = serde_json::to_vec(object)
        .map_err(|error| to_py(py, Error::internal(format!("JSON cannot be written: {error}"))))?;
    imported!(py, "msgspec.json", "decode")?.call1((PyBytes::new(py, &text),))
}

pub(crate) fn from_dict(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Map<String, Value>> {
    let py = value.py();
    if value.cast::<PyDict>().is_ok_and(|dict| dict.is_empty()) {
        return Ok(Map::new());
    }
    let bad = |words: String| to_py(py, Error::invalid(format!("{name} is refused: {words}")));
    let encode = imported!(py, "omniq.codecs", "encode_json")?;
    let text = encode
        .call1((value,))
        .or_else(|error| if is_not_utf8(py, &error) { encode.call1((valid(value)?,)) } else { Err(error) })
        .map_err(|error| bad(format!("it cannot be written as JSON: {}", error.value(py))))?;
    read_object(text.cast::<PyBytes>()?.as_bytes())
        .map_err(|error| bad(format!("{}: give a dict", error.message())))
}

/// A copy of the value in which all texts are valid UTF-8.
fn valid<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    imported!(value.py(), "omniq._texts", "valid_json")?.call1((value,))
}

/// A dict in a field of a model.
pub(crate) fn object_field<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Map<String, Value>> {
    Ok(given(object, name)?
        .map(|value| from_dict(&name.to_string_lossy(), &value))
        .transpose()?
        .unwrap_or_default())
}
