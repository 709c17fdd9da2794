//! Single enqueues and events that arrive while a statement is in flight are sent together in the next one.

use std::time::Duration;

use omniq_core::Error;
use omniq_core::group_commit::Rule;

/// A second statement begins for 128 calls: a statement costs the server as much as a hundred tasks in it, and each commit costs a write to
/// the disk. A statement may hang in the network, or wait for an open transaction that has used the same id, so it is waited for 250 ms
/// at most.
pub(crate) const RULE: Rule = Rule {
    most: 1_000,
    most_bytes: 4 * 1024 * 1024,
    second_at: Some(128),
    beside_single: true,
    turns: 8,
    patience: Some(Duration::from_millis(250)),
};

/// Whether a single value may be the cause of an error of the statement that carries many.
pub(crate) fn is_of_a_value(error: &Error) -> bool {
    // Classes of SQLSTATE: data exception, integrity constraint violation, program limit exceeded.
    let class = error.sqlstate().and_then(|code| code.get(..2));
    error.is_invalid() || error.is_codec() || class.is_some_and(|class| ["22", "23", "54"].contains(&class))
}
