//! The one error type of the library: opaque. Callers match on its kind, or test it with the `is_…` methods.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// `Result` with OmniQ's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a [kind](ErrorKind), which each have an `is_…` method as well, and a message for people.
///
/// The message names the value, the limit and, if there is one, the remedy. It never contains a payload or a password.
/// A database error keeps its SQLSTATE and its cause.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::{Error, ErrorKind};
/// let error = Error::invalid("queue name \"\" is empty: give it 1 to 128 bytes");
/// assert!(error.is_invalid());
/// let status = match error.kind() {
///     ErrorKind::Invalid | ErrorKind::Codec => 422,
///     ErrorKind::Duplicate | ErrorKind::Conflict => 409,
///     ErrorKind::NotFound => 404,
///     _ if error.is_transient() => 503,
///     _ => 500,
/// };
/// assert_eq!(status, 422);
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    sqlstate: Option<String>,
    unsent: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident, $make:ident, $ask:ident;)*) => {
        /// What kind of [`Error`] it is. More kinds may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $variant),* }

        impl ErrorKind {
            /// The name, such as `duplicate`, as `is_duplicate` has it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($make)),* }
            }
        }

        impl Error {
            /// The names of all kinds, such as `duplicate`; for bindings to other languages.
            #[doc(hidden)]
            pub const KINDS: &'static [&'static str] = &[$(stringify!($make)),*];

            /// Makes an error of the kind with this name; an unknown name makes an internal one.
            #[doc(hidden)]
            pub fn of_kind(kind: &str, message: impl Into<String>) -> Self {
                match kind {
                    $(stringify!($make) => Self::$make(message),)*
                    _ => Self::internal(message),
                }
            }

            $(
                #[doc = concat!("Makes an error for which [`", stringify!($ask), "`](Self::", stringify!($ask), ") holds.")]
                pub fn $make(message: impl Into<String>) -> Self {
                    Self::new(ErrorKind::$variant, message.into())
                }

                $(#[$doc])*
                pub fn $ask(&self) -> bool {
                    self.0.kind == ErrorKind::$variant
                }
            )*
        }
    };
}

kinds! {
    /// An argument was refused; nothing was written.
    Invalid, invalid, is_invalid;
    /// The id is in use already; nothing was written.
    Duplicate, duplicate, is_duplicate;
    /// There is no such task, result or object.
    NotFound, not_found, is_not_found;
    /// The task is in a state that forbids the verb (such as deleting a running task).
    Conflict, conflict, is_conflict;
    /// The claim no longer holds: another worker may have the task by now; nothing was changed.
    ClaimLost, claim_lost, is_claim_lost;
    /// The database cannot be reached, or the connection broke. The call may have been carried out; a later try may
    /// succeed.
    Unavailable, unavailable, is_unavailable;
    /// No connection of the pool became free within the acquire timeout; nothing was sent to the database.
    PoolTimeout, pool_timeout, is_pool_timeout;
    /// A time limit ran out, such as the caller's timeout.
    Timeout, timeout, is_timeout;
    /// The database's schema is newer than this version of the library can use: a migration that it does not know breaks it.
    SchemaTooNew, schema_too_new, is_schema_too_new;
    /// The schema or a table of it is missing, or older than this version needs.
    SchemaMissing, schema_missing, is_schema_missing;
    /// The database role lacks a privilege.
    PermissionDenied, permission_denied, is_permission_denied;
    /// A blocking method was called on a thread that an async runtime needs.
    BlockingInAsync, blocking_in_async, is_blocking_in_async;
    /// The object was closed.
    Closed, closed, is_closed;
    /// A payload cannot be encoded or decoded.
    Codec, codec, is_codec;
    /// A setting was refused, or the call needs a part that is not configured, such as a result storage.
    Config, config, is_config;
    /// A task ended without a value: it failed, was cancelled, expired, or was discarded.
    TaskFailed, task_failed, is_task_failed;
    /// Any other error; see the cause.
    Internal, internal, is_internal;
}

/// SQLSTATEs of statements that the server rolled back for a passing reason: cancelled or timed out, a lock that was
/// not granted in time, a serialization failure, a deadlock.
const UNDONE: &[&str] = &["57014", "55P03", "40001", "40P01"];

impl Error {
    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(Inner { kind, message, sqlstate: None, unsent: false, source: None }))
    }

    /// The kind, to match on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The error for an id that another task has. For storages.
    #[doc(hidden)]
    pub fn id_in_use(id: impl fmt::Display) -> Self {
        Self::duplicate(format!("the id {id} is in use already: give another, or none"))
    }

    /// The error for a task that is to run after one that is not known. For storages.
    #[doc(hidden)]
    pub fn no_predecessor(id: impl fmt::Display) -> Self {
        Self::not_found(format!(
            "there is no task {id} to run after: it is not in the queue, and no result of it is kept; enqueue it before, or in the same call"
        ))
    }

    /// The error for a key that another task holds. For storages.
    #[doc(hidden)]
    pub fn key_held(key: &str, holder: impl fmt::Display) -> Self {
        Self::duplicate(format!(
            "the key {key:?} is held by task {holder}: wait for its end, cancel it, or choose another on_conflict"
        ))
    }

    /// The error for the retry of a dead letter whose key another task holds by now. For storages.
    #[doc(hidden)]
    pub fn key_taken(id: impl fmt::Display, key: &str, holder: impl fmt::Display) -> Self {
        Self::conflict(format!(
            "task {id} cannot be retried: its key {key:?} is held by task {holder} by now; wait for that one's end, or cancel it"
        ))
    }

    /// The error for a schedule that is not there. For storages.
    #[doc(hidden)]
    pub fn no_schedule(name: &str) -> Self {
        Self::not_found(format!(
            "there is no schedule {name:?}: save it, or start a worker that has it in its code"
        ))
    }

    /// The error for a schedule whose name is that of another one: of an application's code, or (`None`) of run time. For storages.
    #[doc(hidden)]
    pub fn schedule_of_another(name: &str, theirs: Option<&str>, ours: Option<&str>) -> Self {
        let theirs = match (theirs, ours) {
            (Some(app), None) => format!("stands in the code of the application {app:?}: change it there"),
            (Some(app), Some(_)) => format!(
                "stands in the code of the application {app:?} already: take another name, or delete that schedule if the application \
                 is gone or has another name now"
            ),
            (None, _) => "was saved at run time: delete that one, or take another name".to_owned(),
        };
        Self::conflict(format!("the schedule {name:?} {theirs}"))
    }

    /// The error for an id under which the result of an earlier task is still stored. For storages.
    #[doc(hidden)]
    pub fn id_has_result(id: impl fmt::Display) -> Self {
        Self::duplicate(format!(
            "the result of an earlier task {id} is still kept: delete it to use the id again, or give another"
        ))
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// Adds the SQLSTATE (five characters) that the database reported.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.0.sqlstate = Some(sqlstate.into());
        self
    }

    /// Marks the error: nothing was sent to the database, because no connection was obtained.
    #[doc(hidden)]
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.0.unsent = true;
        self
    }

    /// Whether nothing was sent to the database, so that nothing was written, whatever the kind of the error.
    #[doc(hidden)]
    pub fn is_unsent(&self) -> bool {
        self.0.unsent
    }

    /// Prefixes the message with `words` and a colon, such as with the operation that failed.
    #[must_use]
    pub fn context(mut self, words: impl fmt::Display) -> Self {
        self.0.message = format!("{words}: {}", self.0.message);
        self
    }

    /// The SQLSTATE (five characters), if the database reported one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The message alone, without the causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call may succeed later without any change: the server was unreachable, the pool was exhausted,
    /// or the server rolled the statement back for a passing reason (cancelled or timed out, a lock of another session,
    /// a serialization failure, a deadlock).
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::PoolTimeout) || self.is_undone()
    }

    /// Whether the server rolled the statement back for a passing reason ([`UNDONE`]): nothing was written.
    pub(crate) fn is_undone(&self) -> bool {
        self.sqlstate().is_some_and(|code| UNDONE.contains(&code))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("message", &self.0.message);
        if let Some(sqlstate) = &self.0.sqlstate {
            debug.field("sqlstate", sqlstate);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_a_name_and_a_question() {
        for name in Error::KINDS {
            let error = Error::of_kind(name, "a message");
            assert_eq!((error.kind().name(), error.kind().to_string().as_str()), (*name, *name));
            assert_eq!(error.clone().context("while it was asked").kind(), error.kind());
        }
        assert_eq!(Error::not_found("x").kind(), ErrorKind::NotFound);
        assert_eq!(Error::of_kind("unheard of", "x").kind(), ErrorKind::Internal);
        assert!(Error::conflict("x").is_conflict() && !Error::conflict("x").is_closed());
    }
}
