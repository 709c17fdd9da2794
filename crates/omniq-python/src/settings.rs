//! Settings. The Rust library reads and checks them, so that the rules are the same in both languages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use omniq::backend::postgres::{Settings as Core, as_written};
use omniq::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use serde_json::Value;

use crate::convert::imported::imported;
use crate::error::to_py;

/// Everything that can be set on a PostgreSQL backend.
#[pyclass(frozen, eq, module = "omniq._omniq")]
#[derive(PartialEq, Clone)]
pub(crate) struct Settings(pub(crate) Core);

fn or_raise(py: Python<'_>, settings: Result<Core>) -> PyResult<Settings> {
    settings.map(Settings).map_err(|error| to_py(py, error))
}

/// One value: a number, a flag, text, or none.
fn value(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    if given.is_none() {
        Ok(Value::Null)
    } else if let Ok(flag) = given.cast::<PyBool>() {
        Ok(Value::from(flag.is_true()))
    } else if given.is_instance_of::<PyInt>() {
        given.extract::<i64>().map_or_else(|_| shown(given), |number| Ok(Value::from(number)))
    } else if given.is_instance_of::<PyFloat>() {
        let number = given.extract::<f64>()?;
        if number.is_finite() { Ok(Value::from(number)) } else { shown(given) }
    } else if let Ok(text) = given.cast::<PyString>() {
        match text.to_cow() {
            Ok(text) => Ok(Value::from(text.as_ref())),
            // The value is not shown, because it may be a URL with a password.
            Err(_) => {
                let message = format!("{name} is refused: it is not valid UTF-8");
                Err(to_py(given.py(), Error::config(message)))
            }
        }
    } else {
        let kind = given.get_type().name()?.to_string();
        let message = format!("{name} is refused, being of type {kind}: give a number, a flag or text");
        Err(to_py(given.py(), Error::config(message)))
    }
}

/// A number that JSON cannot represent. It is passed in Python's form, so that the setting's refusal shows it so.
fn shown(number: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(as_written(imported!(number.py(), "omniq._checks", "shown")?.call1((number,))?.extract::<String>()?))
}

fn values(given: &Bound<'_, PyDict>) -> PyResult<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    for (name, given) in given {
        let name: String = name.extract()?;
        let value = value(&name, &given)?;
        values.insert(name, value);
    }
    Ok(values)
}

#[pymethods]
impl Settings {
    /// The defaults, replaced by these values where they are given.
    #[new]
    fn new(py: Python<'_>, given: &Bound<'_, PyDict>) -> PyResult<Self> {
        or_raise(py, Core::from_values(&values(given)?))
    }

    /// These settings, replaced by these values where they are given.
    fn over(&self, py: Python<'_>, given: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut settings = self.0.clone();
        let values = values(given)?;
        or_raise(py, settings.apply(&values).and_then(|()| settings.check()).map(|()| settings))
    }

    #[staticmethod]
    fn from_file(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        or_raise(py, Core::from_file(path))
    }

    #[staticmethod]
    fn from_env(py: Python<'_>) -> PyResult<Self> {
        or_raise(py, Core::from_env())
    }

    #[staticmethod]
    fn load(py: Python<'_>, file: Option<PathBuf>, url: Option<&str>) -> PyResult<Self> {
        or_raise(py, Core::load(file.as_deref(), url))
    }

    /// All values by name. The URL contains the password.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = serde_json::to_string(&self.0).map_err(|error| {
            to_py(py, Error::internal(format!("the settings cannot be written: {error}")))
        })?;
        imported!(py, "json", "loads")?.call1((text,))
    }

    /// The settings as text, without the password.
    fn __str__(&self) -> String {
        self.0.to_string()
    }
}
