//! What a handler returns instead of a value.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{TaskError, check_delay};

/// An error of a run, or a request for what becomes of the task.
///
/// Any error that implements `Error` converts into it, so `?` works in handlers that return `Result<T, Failure>`. It does
/// not implement `Error` itself.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::Failure;
/// use std::time::Duration;
/// fn port(text: &str) -> Result<u16, Failure> {
///     let port: u16 = text.parse()?;
///     if port == 0 {
///         return Err(Failure::retry_in(Duration::from_secs(30)).message("no port yet"));
///     }
///     Ok(port)
/// }
/// assert!(port("x").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Failure {
    pub(crate) answer: Answer,
    /// The error that it was made of, for retry rules.
    pub(super) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.answer == other.answer
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// Retried as the task's options say.
    Error(TaskError),
    /// Not retried.
    Fatal(TaskError),
    /// Retried after the task's backoff, or after `delay` if it is given.
    Retry {
        delay: Option<Duration>,
        error: Option<TaskError>,
        unlimited: bool,
    },
    Snooze {
        delay: Duration,
    },
    Discard {
        reason: Option<TaskError>,
    },
}

impl From<Answer> for Failure {
    fn from(answer: Answer) -> Self {
        Self { answer, source: None }
    }
}

impl Failure {
    /// The failure by an error: with this type, its message, and its causes as the trace.
    pub(super) fn of(kind: &str, source: Arc<dyn Error + Send + Sync>) -> Self {
        Self { answer: Answer::Error(TaskError::of(kind, &*source)), source: Some(source) }
    }

    /// The error that the task keeps, if there is one.
    pub(super) fn task_error(&self) -> Option<&TaskError> {
        match &self.answer {
            Answer::Error(error) | Answer::Fatal(error) => Some(error),
            Answer::Retry { error, .. } => error.as_ref(),
            Answer::Discard { reason } => reason.as_ref(),
            Answer::Snooze { .. } => None,
        }
    }

    /// The run failed: the task is retried after its backoff, or becomes a dead letter if no retry is left.
    pub fn error(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Answer::Error(TaskError::new(kind, message)).into()
    }

    /// The run failed, and another run would not help: the task becomes a dead letter at once.
    pub fn fatal(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Answer::Fatal(TaskError::new(kind, message)).into()
    }

    /// Runs the task again after this wait instead of its backoff. It counts as any other retry: if none is left, the
    /// task becomes a dead letter; see [`unlimited`](Self::unlimited). A wait above 100 years becomes the error
    /// `bad_delay`.
    pub fn retry_in(delay: Duration) -> Self {
        Self::delayed(delay, Answer::Retry { delay: Some(delay), error: None, unlimited: false })
    }

    /// Waits this long before the retry, instead of the task's backoff. For [`Failure::error`], errors that were converted,
    /// and [`Failure::retry_in`]; other failures are unchanged. A wait above 100 years becomes the error `bad_delay`.
    #[must_use]
    pub fn delay(self, wait: Duration) -> Self {
        let (error, unlimited) = match self.answer {
            Answer::Error(error) => (Some(error), false),
            Answer::Retry { error, unlimited, .. } => (error, unlimited),
            _ => return self,
        };
        Self::delayed(wait, Answer::Retry { delay: Some(wait), error, unlimited })
    }

    /// Runs the task again even if no retries are left; the attempt counts. For [`Failure::retry_in`] and
    /// [`Failure::error`]; other failures are unchanged. Workers slow down a task that runs again and again without a
    /// pause.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        match self.answer {
            Answer::Error(error) => Answer::Retry { delay: None, error: Some(error), unlimited: true }.into(),
            Answer::Retry { ref mut unlimited, .. } => {
                *unlimited = true;
                self
            }
            _ => self,
        }
    }

    /// Postpones the task by this delay; the attempt is not counted. A delay above 100 years becomes the error
    /// `bad_delay`. Workers slow down a task that is postponed again and again without a pause.
    pub fn snooze(delay: Duration) -> Self {
        Self::delayed(delay, Answer::Snooze { delay })
    }

    /// Drops the task: it is neither retried nor kept as a dead letter. The reason is kept in its result.
    pub fn discard(reason: impl Into<String>) -> Self {
        Answer::Discard { reason: Some(TaskError::new("discarded", reason)) }.into()
    }

    /// Sets the message: for a [`Failure::retry_in`], which has none yet, or in place of an earlier one. A snooze has
    /// none.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        match &mut self.answer {
            Answer::Error(error) | Answer::Fatal(error) => {
                *error = TaskError { trace: error.trace.take(), ..TaskError::new(&*error.kind, message) };
            }
            Answer::Retry { error, .. } => {
                let (kind, trace) =
                    error.take().map_or(("retry".to_owned(), None), |error| (error.kind, error.trace));
                *error = Some(TaskError { trace, ..TaskError::new(kind, message) });
            }
            Answer::Discard { reason } => *reason = Some(TaskError::new("discarded", message)),
            Answer::Snooze { .. } => {}
        }
        self
    }

    /// Adds a trace to an error, such as a stack in another language. Ignored if there is no error.
    #[must_use]
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        if let Answer::Error(error) | Answer::Fatal(error) | Answer::Retry { error: Some(error), .. } =
            &mut self.answer
        {
            *error = error.clone().with_trace(trace);
        }
        self
    }

    /// A delay that no storage accepts is an error of the handler, not of the queue.
    fn delayed(delay: Duration, answer: Answer) -> Self {
        match check_delay(delay) {
            Ok(()) => answer.into(),
            Err(error) => Self::error("bad_delay", error.to_string()),
        }
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        Answer::Error(error.cleaned()).into()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(std::any::type_name::<E>(), Arc::new(error))
    }
}
