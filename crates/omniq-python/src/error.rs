//! Errors from Rust to Python and back. Kind, message, SQLSTATE and cause are the same on both sides. Each kind has a class;
//! only `omniq.errors` maps kinds to classes.

use std::error::Error as StdError;

use omniq::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{PyTypeInfo, intern};

use crate::convert::imported::imported;
use crate::convert::text::Text;

/// `omniq.OmniQError`, the base of all.
fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "omniq.errors", "OmniQError")
}

/// The exception for an error.
pub(crate) fn to_py(py: Python<'_>, error: Error) -> PyErr {
    made(py, &error).unwrap_or_else(|failure| failure)
}

fn made(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let of_kind = imported!(py, "omniq.errors", "of_kind")?;
    let made = PyErr::from_value(of_kind.call1((error.kind().name(), error.message(), error.sqlstate()))?);
    if let Some(source) = error.source() {
        made.set_cause(py, Some(cause(py, source)?));
    }
    Ok(made)
}

/// A cause: a Python exception as it is, an OmniQ error as its class, any other error by its message.
fn cause(py: Python<'_>, source: &(dyn StdError + 'static)) -> PyResult<PyErr> {
    if let Some(error) = source.downcast_ref::<PyErr>() {
        return Ok(error.clone_ref(py));
    }
    if let Some(error) = source.downcast_ref::<Error>() {
        return made(py, error);
    }
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "omniq.errors", "Cause")?;
    let made = PyErr::from_value(class.call1((source.to_string(),))?);
    if let Some(next) = source.source() {
        made.set_cause(py, Some(cause(py, next)?));
    }
    Ok(made)
}

/// The error for an exception that a custom storage has raised.
pub(crate) fn from_py(py: Python<'_>, exception: PyErr) -> Error {
    let value = exception.value(py);
    let ours = class(py).is_ok_and(|class| value.is_instance(class).unwrap_or(false));
    if ours {
        let text = |name| value.getattr(name).and_then(|value| value.extract::<Text>()).map(|text| text.0);
        let kind = text(intern!(py, "kind")).unwrap_or_default();
        let message = text(intern!(py, "message")).unwrap_or_default();
        let error = Error::of_kind(&kind, message);
        return match text(intern!(py, "sqlstate")) {
            Ok(state) => error.with_sqlstate(state),
            Err(_) => error,
        }
        .with_source(exception);
    }
    let name = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    let timeout = pyo3::exceptions::PyTimeoutError::type_object(py);
    let message = format!("a storage written in Python failed: {name}: {value}");
    let made = if value.is_instance(&timeout).unwrap_or(false) {
        Error::timeout(message)
    } else if value.is_instance_of::<pyo3::exceptions::PyOSError>() {
        Error::unavailable(message)
    } else {
        Error::internal(message)
    };
    made.with_source(exception)
}
