//! Errors for values from Python that are refused. They name the value, show it unless it may be a payload or hold a password,
//! and say which values are accepted.
//! `omniq._checks` makes them, so that they have the same form in Rust and in Python.

use std::borrow::Cow;
use std::fmt::Display;

use omniq::Error;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyInt;
use uuid::Uuid;

use super::imported::imported;
use super::name;
use super::text::Text;
use crate::error::to_py;

/// The error for a value of a wrong type.
pub(crate) fn refused(name: impl Display, value: &Bound<'_, PyAny>, remedy: &str) -> PyErr {
    made(value, || {
        imported!(value.py(), "omniq._checks", "refused")?.call1((name.to_string(), value, remedy))
    })
}

/// The error for a value that is out of bounds.
pub(crate) fn beyond(name: impl Display, value: &Bound<'_, PyAny>, remedy: &str) -> PyErr {
    made(value, || imported!(value.py(), "omniq._checks", "beyond")?.call1((name.to_string(), value, remedy)))
}

fn made<'py>(value: &Bound<'py, PyAny>, make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>) -> PyErr {
    // Code of a user's type may raise while the message is made.
    let words =
        |error: PyErr| to_py(value.py(), Error::invalid(format!("a value cannot be looked at: {error}")));
    make().map_or_else(words, PyErr::from_value)
}

/// The error for a value that could not be read as a `T`.
pub(super) fn misread<T: Wanted>(name: impl Display, value: &Bound<'_, PyAny>, why: PyErr) -> PyErr {
    let py = value.py();
    if is_ours(py, &why) {
        why
    } else if name::is_not_utf8(py, &why) {
        name::not_utf8(name, value)
    } else if why.is_instance_of::<PyOverflowError>(py) && value.is_instance_of::<PyInt>() {
        beyond(name, value, &T::remedy())
    } else {
        refused(name, value, &T::remedy())
    }
}

fn is_ours(py: Python<'_>, error: &PyErr) -> bool {
    imported!(py, "omniq.errors", "OmniQError")
        .is_ok_and(|class| error.value(py).is_instance(class).unwrap_or(false))
}

/// A type that fields and arguments are read as.
pub(crate) trait Wanted {
    /// The advice for a value that cannot be read as this type.
    fn remedy() -> Cow<'static, str>;
}

macro_rules! wanted {
    ($($kind:ty => $words:literal;)*) => { $(
        impl Wanted for $kind {
            fn remedy() -> Cow<'static, str> {
                $words.into()
            }
        }
    )* };
}

wanted! {
    String => "give a text";
    Text => "give a text";
    bool => "give True or False";
    f64 => "give a number";
    Uuid => "give a UUID; of a text, uuid.UUID(text) makes one";
    Vec<u8> => "give bytes";
}

macro_rules! whole_numbers {
    ($($kind:ty),*) => { $(
        impl Wanted for $kind {
            fn remedy() -> Cow<'static, str> {
                format!("give a whole number, {} to {}", <$kind>::MIN, <$kind>::MAX).into()
            }
        }
    )* };
}

whole_numbers!(i16, i32, i64, u32, u64);

impl<T: Wanted> Wanted for Option<T> {
    fn remedy() -> Cow<'static, str> {
        T::remedy()
    }
}
