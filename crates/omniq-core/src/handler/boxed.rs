//! Errors of any type in one form, on their way from a handler to its answer. Those of the crates anyhow (feature `anyhow`) and
//! eyre (feature `eyre`) stay whole: a retry rule finds the error that they were made of, and a failure in them says what becomes
//! of the task.

use std::any::Any;
use std::error::Error;
use std::fmt;

use super::failure::Failure;
use crate::model::TaskError;

/// Any error: what a handler's error type must convert into. It does so if it implements `std::error::Error`, and so do
/// `String`, `&str`, `anyhow::Error`, `eyre::Report`, `Box<dyn Error + Send + Sync>`, [`TaskError`] and [`Failure`].
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A failure on its way through a boxed error.
pub(super) struct Carried(pub(super) Failure);

impl Error for Carried {}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.task_error() {
            Some(error) => write!(f, "{}: {}", error.kind, error.message),
            None => f.write_str("the run asks for another"),
        }
    }
}

impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        Box::new(Carried(failure))
    }
}

impl From<TaskError> for BoxError {
    fn from(error: TaskError) -> Self {
        Failure::from(error).into()
    }
}

/// A boxed error. By its own conversion, what anyhow and eyre box is of a private type, in which nothing is found.
pub(super) fn boxed<E: Into<BoxError> + 'static>(error: E) -> BoxError {
    let mut slot = Some(error);
    let taken = TAKES.iter().find_map(|take| take(&mut slot));
    taken.or_else(|| slot.map(Into::into)).expect("it is in the slot or taken")
}

/// Takes an error of one of the crates out of a slot.
type Take = fn(&mut dyn Any) -> Option<BoxError>;
const TAKES: &[Take] = &[
    #[cfg(feature = "anyhow")]
    take_anyhow,
    #[cfg(feature = "eyre")]
    take_eyre,
];

#[cfg(feature = "anyhow")]
fn take_anyhow(slot: &mut dyn Any) -> Option<BoxError> {
    let report = slot.downcast_mut::<Option<anyhow::Error>>()?.take()?;
    Some(match report.downcast::<Carried>() {
        Ok(carried) => carried.into(),
        Err(report) => Kept(report).into(),
    })
}

#[cfg(feature = "eyre")]
fn take_eyre(slot: &mut dyn Any) -> Option<BoxError> {
    let report = slot.downcast_mut::<Option<eyre::Report>>()?.take()?;
    Some(match report.downcast::<Carried>() {
        Ok(carried) => carried.into(),
        Err(report) => Kept(report).into(),
    })
}

/// The error itself, or the one in it that anyhow or eyre was given, if it has this type.
pub(super) fn downcast<'a, T>(error: &'a (dyn Error + 'static)) -> Option<&'a T>
where
    T: Error + Send + Sync + 'static,
{
    let found = error.downcast_ref::<T>();
    #[cfg(feature = "anyhow")]
    let found = found.or_else(|| error.downcast_ref::<Kept<anyhow::Error>>()?.0.downcast_ref());
    #[cfg(feature = "eyre")]
    let found = found.or_else(|| error.downcast_ref::<Kept<eyre::Report>>()?.0.downcast_ref());
    found
}

/// An error of anyhow or eyre as a boxed error.
#[cfg(any(feature = "anyhow", feature = "eyre"))]
struct Kept<R>(R);

#[cfg(any(feature = "anyhow", feature = "eyre"))]
impl<R: fmt::Debug> fmt::Debug for Kept<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(any(feature = "anyhow", feature = "eyre"))]
impl<R: fmt::Display> fmt::Display for Kept<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(any(feature = "anyhow", feature = "eyre"))]
impl<R> Error for Kept<R>
where
    R: fmt::Debug + fmt::Display + AsRef<dyn Error + Send + Sync + 'static>,
{
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().source()
    }
}
