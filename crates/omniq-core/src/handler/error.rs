//! The errors of handlers, of any type, and the rules that decide by them whether a run is retried.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::failure::{Answer, Failure};
use crate::model::TaskError;

/// Any error: what a handler's error type must convert into. It does so if it implements `std::error::Error`, and so do
/// `String`, `&str`, `anyhow::Error`, `eyre::Report`, `Box<dyn Error + Send + Sync>`, [`TaskError`] and [`Failure`].
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The failure of a run that has returned this.
pub(super) fn failure_of<E: Into<BoxError>>(error: E) -> Failure {
    match error.into().downcast::<Carried>() {
        Ok(carried) => carried.0,
        Err(error) => {
            let kind = std::any::type_name::<E>();
            // The names of the types that hold any text or any error say nothing.
            let kind = if kind.starts_with("alloc::") || kind.starts_with('&') { "error" } else { kind };
            Failure::of(kind, Arc::from(error))
        }
    }
}

/// A failure on its way through a boxed error.
struct Carried(Failure);

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

/// The error of a run, as a retry rule sees it.
#[derive(Debug, Clone, Copy)]
pub struct RunError<'a> {
    stored: &'a TaskError,
    source: Option<&'a (dyn Error + Send + Sync + 'static)>,
}

impl<'a> RunError<'a> {
    /// The type's name, as the task keeps it.
    pub fn kind(&self) -> &'a str {
        &self.stored.kind
    }

    /// The message.
    pub fn message(&self) -> &'a str {
        &self.stored.message
    }

    /// The error itself, or the first of its causes, that has this type. Of an `anyhow::Error` or `eyre::Report` only the
    /// causes are found, not the error that it was made of; of a [`Failure::error`] nothing.
    pub fn find<T: Error + 'static>(&self) -> Option<&'a T> {
        let mut next: Option<&'a (dyn Error + 'static)> = self.source.map(|source| source as _);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// What a retry rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The task is retried after its backoff, if a retry is left.
    Retry,
    /// The task is retried after this wait, if a retry is left.
    RetryIn(Duration),
    /// The task becomes a dead letter at once.
    Dead,
}

/// The failure after a rule has seen it. A failure that says itself what becomes of the task stays as it is.
pub(super) fn ruled(
    failure: Failure,
    rule: &(impl Fn(&RunError<'_>, &Context) -> Verdict + ?Sized),
    context: &Context,
) -> Failure {
    let Answer::Error(stored) = &failure.answer else { return failure };
    match rule(&RunError { stored, source: failure.source.as_deref() }, context) {
        Verdict::Retry => failure,
        Verdict::RetryIn(wait) => failure.delay(wait),
        Verdict::Dead => Failure { answer: Answer::Fatal(stored.clone()), source: failure.source },
    }
}
