//! Why a run of a task failed.

use serde::{Deserialize, Serialize};

/// An error of a handler as it is stored: type, message and trace, all plain text.
///
/// NUL characters, which PostgreSQL's text cannot hold, are replaced by U+FFFD. A text longer than 64 KiB is cut and
/// ends with `…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// The error's type, such as `std::io::Error`, `panic`, `timeout`, `worker_lost` or `unreadable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The message.
    pub message: String,
    /// The causes, one a line, or a stack trace, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl From<&str> for TaskError {
    /// An error of the type `error` with this message, as `queue.fail(&task, "no paper".into())` wants it.
    fn from(message: &str) -> Self {
        Self::new("error", message)
    }
}

impl From<String> for TaskError {
    /// An error of the type `error` with this message.
    fn from(message: String) -> Self {
        Self::new("error", message)
    }
}

impl TaskError {
    const LIMIT: usize = 64 * 1024;

    /// An error of this type with this message.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: clean(kind.into()), message: clean(message.into()), trace: None }
    }

    /// The error of a task or result that cannot be read, of type `unreadable`; `what` names the part. For storages.
    pub fn unreadable(what: &str) -> Self {
        Self::new("unreadable", format!("it cannot be read: {what}"))
    }

    /// Adds a trace.
    #[must_use]
    pub fn with_trace(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(clean(trace.into()));
        self
    }

    /// The same in storable form, for errors whose fields were set directly.
    #[must_use]
    pub fn cleaned(self) -> Self {
        Self { kind: clean(self.kind), message: clean(self.message), trace: self.trace.map(clean) }
    }

    /// Whether [`cleaned`](Self::cleaned) changes nothing.
    pub(crate) fn is_clean(&self) -> bool {
        let is_clean = |text: &String| text.len() <= Self::LIMIT && !text.contains('\0');
        is_clean(&self.kind) && is_clean(&self.message) && self.trace.as_ref().is_none_or(is_clean)
    }

    /// From any error: its type, its message, and its causes as the trace.
    pub fn from_error<E: std::error::Error>(error: &E) -> Self {
        Self::of(std::any::type_name::<E>(), error)
    }

    /// From any error, with this type.
    pub(crate) fn of<E: std::error::Error + ?Sized>(kind: &str, error: &E) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(format!("caused by: {cause}"));
            next = cause.source();
        }
        let made = Self::new(kind, error.to_string());
        if causes.is_empty() { made } else { made.with_trace(causes.join("\n")) }
    }
}

fn clean(text: String) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if text.len() > TaskError::LIMIT {
        let mut end = TaskError::LIMIT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
