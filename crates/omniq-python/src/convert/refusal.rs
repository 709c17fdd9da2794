//! Values of Python that are refused: their names, themselves, and what is taken instead. The errors are made by `omniq._given`,
//! so that they are of one form on both sides.

use std::borrow::Cow;
use std::fmt::Display;

use omniq::Error;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyInt;
use uuid::Uuid;

use super::event::EventArg;
use super::imported;
use super::text::{self, Text};
use crate::error::to_py;

/// The error for a value of a wrong type.
pub(crate) fn refused(name: impl Display, value: &Bound<'_, PyAny>, remedy: &str) -> PyErr {
    made(value, || imported!(value.py(), "omniq._given", "refused")?.call1((name.to_string(), value, remedy)))
}

/// The error for a value that is not within its bounds.
pub(crate) fn beyond(name: impl Display, value: &Bound<'_, PyAny>, remedy: &str) -> PyErr {
    made(value, || imported!(value.py(), "omniq._given", "beyond")?.call1((name.to_string(), value, remedy)))
}

fn made<'py>(value: &Bound<'py, PyAny>, make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>) -> PyErr {
    // A type of the user's own may fail while it is looked at.
    let words =
        |error: PyErr| to_py(value.py(), Error::invalid(format!("a value cannot be looked at: {error}")));
    make().map_or_else(words, PyErr::from_value)
}

/// The error for a value that could not be read as a `T`.
pub(super) fn misread<T: Wanted>(name: impl Display, value: &Bound<'_, PyAny>, why: PyErr) -> PyErr {
    let py = value.py();
    if is_ours(py, &why) {
        why
    } else if text::is_not_utf8(py, &why) {
        text::not_utf8(name, value)
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

/// What fields and arguments are read as.
pub(crate) trait Wanted {
    /// What to give instead of a value that cannot be read as this.
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
    Vec<EventArg> => "give a list of TaskEvent";
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
