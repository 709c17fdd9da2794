//! Names from Python. One with a lone surrogate is refused, because an escaped name would be the name of another queue or function.

use omniq::Error;
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;

use crate::error::to_py;

/// A name, which must be valid UTF-8.
pub(crate) struct Name(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Name {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<String>() {
            Ok(name) => Ok(Self(name)),
            Err(error) if is_not_utf8(value.py(), &error) => Err(not_utf8("the name", &value)),
            Err(error) => Err(error),
        }
    }
}

/// The names as texts.
pub(crate) fn names(given: Vec<Name>) -> Vec<String> {
    given.into_iter().map(|name| name.0).collect()
}

/// Whether a text could not be read because it is not UTF-8.
pub(crate) fn is_not_utf8(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyUnicodeEncodeError>(py)
}

/// The error for a text that must be UTF-8 and is not.
pub(crate) fn not_utf8(name: impl std::fmt::Display, value: &Bound<'_, PyAny>) -> PyErr {
    let shown = value.repr().map(|shown| shown.to_string()).unwrap_or_default();
    let words = "it is not valid UTF-8: give another, such as by text.encode(errors=\"replace\").decode()";
    to_py(value.py(), Error::invalid(format!("{name} = {shown} is refused: {words}")))
}
