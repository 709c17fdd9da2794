//! The one error type of the library: opaque, with questions.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// `Result` with OmniQ's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in a form that a program can ask about and a person can read.
///
/// The message names the value, the limit and, where there is one, the remedy. It never holds a payload or
/// a password. An error of the database keeps its SQLSTATE and its cause.
///
/// ```
/// use omniq_core::Error;
/// let error = Error::invalid("queue name \"\" is empty: give it 1 to 128 bytes");
/// assert!(error.is_invalid());
/// assert!(!error.is_unavailable());
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    sqlstate: Option<String>,
    unsent: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident, $make:ident, $ask:ident;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Kind { $($variant),* }

        impl Error {
            /// The names of all kinds, such as `duplicate`; for front doors in other languages.
            #[doc(hidden)]
            pub const KINDS: &'static [&'static str] = &[$(stringify!($make)),*];

            /// The name of this error's kind.
            #[doc(hidden)]
            pub fn kind(&self) -> &'static str {
                match self.0.kind { $(Kind::$variant => stringify!($make)),* }
            }

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
                    Self::new(Kind::$variant, message.into())
                }

                $(#[$doc])*
                pub fn $ask(&self) -> bool {
                    self.0.kind == Kind::$variant
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
    /// The claim was lost: another worker may have the task by now; nothing was changed.
    ClaimLost, claim_lost, is_claim_lost;
    /// The database cannot be reached, or broke off; a later try may succeed.
    Unavailable, unavailable, is_unavailable;
    /// No connection of the pool became free within the acquire timeout.
    PoolTimeout, pool_timeout, is_pool_timeout;
    /// The time given by the caller ran out.
    Timeout, timeout, is_timeout;
    /// The database's schema is newer than this version of the library knows.
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
    /// A setting was refused, or a part that is not configured was asked for.
    Config, config, is_config;
    /// None of the others; see the cause.
    Internal, internal, is_internal;
}

/// Cancelled or out of time, a lock that was not had in time, a serialization failure, a deadlock.
const UNDONE: &[&str] = &["57014", "55P03", "40001", "40P01"];

impl Error {
    fn new(kind: Kind, message: String) -> Self {
        Self(Box::new(Inner { kind, message, sqlstate: None, unsent: false, source: None }))
    }

    /// The error for an id that a task has; for storages.
    #[doc(hidden)]
    pub fn id_in_use(id: impl fmt::Display) -> Self {
        Self::duplicate(format!("the id {id} is in use already: give another, or none"))
    }

    /// The error for an id of which the result of an earlier task is kept; for storages.
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

    /// Adds the five characters of SQLSTATE that the database gave.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: impl Into<String>) -> Self {
        self.0.sqlstate = Some(sqlstate.into());
        self
    }

    /// Says that nothing was sent to the database, as no connection to it was had.
    #[doc(hidden)]
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.0.unsent = true;
        self
    }

    /// Whether nothing was sent to the database: nothing was written, whatever the error is.
    #[doc(hidden)]
    pub fn is_unsent(&self) -> bool {
        self.0.unsent
    }

    /// Puts words in front of the message, such as what was being done.
    #[must_use]
    pub fn context(mut self, words: impl fmt::Display) -> Self {
        self.0.message = format!("{words}: {}", self.0.message);
        self
    }

    /// The SQLSTATE, where the database gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    /// The message alone, without the causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same call may succeed later without any change: the server was away, the pool was full, or the server undid
    /// the statement for a reason that passes (cancelled or out of time, a lock that others held, a deadlock).
    pub fn is_transient(&self) -> bool {
        matches!(self.0.kind, Kind::Unavailable | Kind::PoolTimeout) || self.is_undone()
    }

    /// Whether the server said that it undid the statement for a reason that passes: nothing was written.
    pub(crate) fn is_undone(&self) -> bool {
        self.sqlstate().is_some_and(|code| UNDONE.contains(&code))
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
