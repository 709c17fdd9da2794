//! What a handler returns instead of a value.

use std::time::Duration;

use crate::model::{TaskError, check_delay};

/// An error of a run, or a request for what becomes of the task.
///
/// Any error converts into it, so `?` works in handlers that return `Result<T, Failure>`. It does not implement `Error`
/// itself.
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
#[derive(Debug, Clone, PartialEq)]
pub struct Failure(pub(crate) Answer);

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

impl Failure {
    /// The run failed: the task is retried after its backoff, or becomes a dead letter if no retry is left.
    pub fn error(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Answer::Error(TaskError::new(kind, message)))
    }

    /// The run failed, and another run would not help: the task becomes a dead letter at once.
    pub fn fatal(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Answer::Fatal(TaskError::new(kind, message)))
    }

    /// Runs the task again after this wait instead of its backoff. It counts as any other retry: if none is left, the
    /// task becomes a dead letter; see [`unlimited`](Self::unlimited). A wait above 100 years becomes the error
    /// `bad_delay`.
    pub fn retry_in(delay: Duration) -> Self {
        Self::delayed(delay, Answer::Retry { delay: Some(delay), error: None, unlimited: false })
    }

    /// Runs the task again even if no retries are left; the attempt counts. For [`Failure::retry_in`] and
    /// [`Failure::error`]; other failures are unchanged. Workers slow down a task that runs again and again without a
    /// pause.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        match self.0 {
            Answer::Error(error) => Self(Answer::Retry { delay: None, error: Some(error), unlimited: true }),
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
        Self(Answer::Discard { reason: Some(TaskError::new("discarded", reason)) })
    }

    /// Sets the message: for a [`Failure::retry_in`], which has none yet, or in place of an earlier one. A snooze has
    /// none.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        match &mut self.0 {
            Answer::Error(error) | Answer::Fatal(error) => {
                *error = TaskError { trace: error.trace.take(), ..TaskError::new(&*error.kind, message) };
            }
            Answer::Retry { error, .. } => *error = Some(TaskError::new("retry", message)),
            Answer::Discard { reason } => *reason = Some(TaskError::new("discarded", message)),
            Answer::Snooze { .. } => {}
        }
        self
    }

    /// Adds a trace to an error, such as a stack in another language. Ignored if there is no error.
    #[must_use]
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        if let Answer::Error(error) | Answer::Fatal(error) | Answer::Retry { error: Some(error), .. } =
            &mut self.0
        {
            *error = error.clone().with_trace(trace);
        }
        self
    }

    /// A delay that no storage accepts is an error of the handler, not of the queue.
    fn delayed(delay: Duration, answer: Answer) -> Self {
        match check_delay(delay) {
            Ok(()) => Self(answer),
            Err(error) => Self::error("bad_delay", error.to_string()),
        }
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        Self(Answer::Error(error.cleaned()))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Answer::Error(TaskError::from_error(&error)))
    }
}
