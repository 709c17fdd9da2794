//! Texts from Python. They may contain lone surrogates, which UTF-8 cannot represent, such as in a file name that is not UTF-8.
//!
//! In messages, traces and reasons these are escaped, as Python does on stderr.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A message, trace or reason. Lone surrogates are escaped, such as `\udcff`.
#[derive(Clone)]
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = value.cast::<PyString>()?;
        if let Ok(text) = text.to_cow() {
            return Ok(Self(text.into_owned()));
        }
        let bytes = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
        Ok(Self(String::from_utf8_lossy(bytes.cast::<PyBytes>()?.as_bytes()).into_owned()))
    }
}
