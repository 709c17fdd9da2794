//! The lines of the log about the ends of runs: each failure at warn, everything else at debug.

use std::borrow::Cow;
use std::time::Duration;

use tracing::Level;

use crate::handler::Context;
use crate::logging::LoggedErrors;
use crate::model::*;

/// The longest message of an error that is logged, in characters.
const LONGEST: usize = 1000;

/// `None`: the message, and the trace too if the level is info or lower.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunLog(pub(super) Option<LoggedErrors>);

impl RunLog {
    /// A run has failed. `retry_in`: when the task is retried; `None`: it has failed for good.
    pub(super) fn failed(self, context: &Context, error: &TaskError, retry_in: Option<Duration>) {
        // The task may have completed; this is logged once it is known that it has not.
        if context.completed_inside() {
            return;
        }
        let Task { id, func, queue, attempt, .. } = context.task();
        let what = if retry_in.is_some() { "run failed, will be retried" } else { "task failed for good" };
        // A panic is logged with its message in any case, because the message would otherwise have gone to stderr.
        let is_panic = error.kind == "panic";
        let said = match self.0 {
            Some(LoggedErrors::Type) if !is_panic => String::new(),
            _ => format!(": {}", one_line(&error.message)),
        };
        let shows_trace = match self.0 {
            Some(shows) => shows == LoggedErrors::Trace,
            None => tracing::enabled!(Level::INFO),
        };
        let trace = error.trace.as_deref().filter(|_| shows_trace);
        let (kind, retry_in) = (&error.kind, retry_in.map(tracing::field::debug));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(task = %id, func, queue, attempt, error = kind, retry_in, trace, "{what}: {kind}{said}")
            };
        }
        if is_panic { line!(error) } else { line!(warn) }
    }

    /// A run has ended, after `took`. Failures have been logged.
    pub(super) fn ended(self, context: &Context, outcome: &Outcome, took: Duration) {
        let Task { id, func, queue, attempt, .. } = context.task();
        let what = match outcome {
            _ if context.completed_inside() => "run completed its task in a transaction",
            Outcome::Complete => "run completed",
            Outcome::Fail { .. } | Outcome::RetryLater { .. } => return,
            Outcome::Snooze { .. } => "run snoozed",
            Outcome::Cancel => "run cancelled",
            Outcome::Discard => "run discarded its task",
            _ => "run handed back",
        };
        tracing::debug!(task = %id, func, queue, attempt, ?took, "{what}");
    }
}

/// The text in one line, and cut if it is long.
fn one_line(text: &str) -> Cow<'_, str> {
    let cut = text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end]);
    if cut.len() == text.len() && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(cut.len());
    for one in cut.chars() {
        if one.is_control() { line.extend(one.escape_default()) } else { line.push(one) }
    }
    if cut.len() < text.len() {
        line.push('…');
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_an_error_is_one_line_of_the_log() {
        assert_eq!(one_line("café: no"), "café: no");
        assert_eq!(one_line("one\ntwo\t\u{1b}[31m"), "one\\ntwo\\t\\u{1b}[31m");
        let long = "é".repeat(LONGEST + 1);
        assert_eq!(one_line(&long).chars().count(), LONGEST + 1);
        assert!(one_line(&long).ends_with("é…"));
        assert_eq!(one_line(&long[..2 * LONGEST]), long[..2 * LONGEST]);
    }
}
