//! The errors of handlers, of any type, and the rules that decide by them whether a run is retried.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::boxed::{self, BoxError, Carried};
use super::context::Context;
use super::failure::{Answer, Failure};
use crate::model::TaskError;

/// The failure of a run that has returned this.
pub(super) fn failure_of<E: Into<BoxError> + 'static>(error: E) -> Failure {
    match boxed::boxed(error).downcast::<Carried>() {
        Ok(carried) => carried.0,
        Err(error) => {
            let kind = std::any::type_name::<E>();
            // The names of the types that hold any text or any error say nothing.
            let kind = if kind.starts_with("alloc::") || kind.starts_with('&') { "error" } else { kind };
            Failure::of(kind, Arc::from(error))
        }
    }
}

impl Failure {
    /// The failure by an error of any type ([`BoxError`]), as if the handler had returned it. For those that `?` does not
    /// convert, such as `anyhow::Error`, `Box<dyn Error + Send + Sync>` and `String`.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{BoxError, Failure};
    /// fn parse(text: &str) -> Result<u16, BoxError> {
    ///     Ok(text.parse()?)
    /// }
    /// fn port(text: &str) -> Result<u16, Failure> {
    ///     parse(text).map_err(Failure::new)
    /// }
    /// assert!(port("x").is_err());
    /// ```
    pub fn new<E: Into<BoxError> + 'static>(error: E) -> Self {
        failure_of(error)
    }

    /// The failure as an error, for handlers whose errors are `Box<dyn Error + Send + Sync>`, or with the features of these
    /// names `anyhow::Error` or `eyre::Report`. It says what becomes of the task there as well.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{BoxError, Failure};
    /// use std::time::Duration;
    /// fn call(status: u16) -> Result<u16, BoxError> {
    ///     match status {
    ///         429 => Err(Failure::snooze(Duration::from_secs(60)).into_error())?,
    ///         status => Ok(status),
    ///     }
    /// }
    /// assert!(call(429).is_err());
    /// ```
    pub fn into_error(self) -> impl Error + Send + Sync + 'static {
        Carried(self)
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

    /// The error itself, or the first of its causes, that has this type; of a [`Failure::error`] nothing. With the features
    /// `anyhow` and `eyre` it finds the error that an `anyhow::Error` or `eyre::Report` was made of; without them only the
    /// causes of that error.
    pub fn find<T: Error + Send + Sync + 'static>(&self) -> Option<&'a T> {
        let mut next: Option<&'a (dyn Error + 'static)> = self.source.map(|source| source as _);
        while let Some(error) = next {
            if let Some(found) = boxed::downcast(error) {
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
