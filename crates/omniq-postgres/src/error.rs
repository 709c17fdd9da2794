//! Turns reports of the driver, the pool and the server into the library's own error.

use deadpool::managed::{PoolError, TimeoutType};
use omniq_core::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::queue::duplicates;
use crate::refusal::{Refusal, detail};
use crate::sizes::TooLarge;

/// Turns an error of the driver into the library's, with SQLSTATE and cause.
pub(crate) fn from_driver(error: tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        let cause = std::error::Error::source(&error);
        if let Some(large) = cause.and_then(|cause| cause.downcast_ref::<TooLarge>()) {
            return Error::invalid(large.to_string());
        }
        let made = if error.is_closed() || is_io(&error) {
            Error::unavailable(format!("the connection to the database broke off: {}", root(&error)))
        } else {
            Error::internal(format!("the database driver failed: {}", root(&error)))
        };
        return made.with_source(error);
    };
    from_report(&Report::of(db)).with_source(Refusal::of(db))
}

/// As [`from_driver`], for an error of connecting to `host`.
pub(crate) fn from_connect(error: tokio_postgres::Error, host: &str) -> Error {
    let refused = format!("no connection to {host}");
    if error.as_db_error().is_some() {
        return from_driver(error).context(refused);
    }
    let text = format!("{refused}: {}", innermost(&error));
    let passing = error.is_closed() || is_io(&error);
    let made = if passing { Error::unavailable(text) } else { Error::config(text) };
    made.with_source(error)
}

/// Whether the session cannot be used any more, or the server cannot be used for now. Such a connection is discarded.
pub(crate) fn is_away(error: &Error) -> bool {
    // SQLSTATE class 40, a rollback that asks for a retry, leaves the session usable.
    error.is_unavailable() && !error.sqlstate().is_some_and(|code| code.starts_with("40"))
}

/// Whether nothing was done: nothing was sent, or the server says that it takes no writes, none for now, or no more sessions, or that the
/// session has lost its prepared statements.
pub(crate) fn was_not_done(error: &Error) -> bool {
    let codes = [READ_ONLY, NOT_PREPARED, NOT_NOW, STARTING, TOO_MANY];
    error.is_unavailable()
        && (error.is_unsent() || error.sqlstate().is_some_and(|code| codes.contains(&code)))
}

/// Whether the server takes no writes. For statements that are not prepared: others can get one of these codes for another reason.
pub(crate) fn takes_no_writes(error: &Error) -> bool {
    error.is_unavailable() && error.sqlstate().is_some_and(|code| [READ_ONLY, NOT_NOW].contains(&code))
}

/// The server takes no writes, as after a failover.
const READ_ONLY: &str = "25006";
/// The session does not know a prepared statement, as after a change of the pooler.
const NOT_PREPARED: &str = "26000";
/// The result type of a prepared statement has changed because a table was altered, or a transaction that must write began on a standby.
/// Other errors with this code are distinguished by the name of the server's function.
const NOT_NOW: &str = "0A000";
/// The server is starting, recovering or shutting down.
const STARTING: &str = "57P03";
/// The server, or the role, has no free connection slot.
const TOO_MANY: &str = "53300";

/// A table lacks a column: the schema is there, but at another version.
pub(crate) const NO_COLUMN: &str = "42703";

/// A report of the server, from either driver.
struct Report<'a> {
    code: &'a str,
    /// The server's function that reported it. It is not translated, unlike the message.
    routine: Option<&'a str>,
    message: &'a str,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
    constraint: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn of(db: &'a DbError) -> Self {
        Self {
            code: db.code().code(),
            routine: db.routine(),
            message: db.message(),
            detail: detail(db.code().code(), db.detail()),
            hint: db.hint(),
            constraint: db.constraint(),
        }
    }
}

#[cfg(any(feature = "sqlx", feature = "sqlx-0_8"))]
macro_rules! from_sqlx {
    ($name:ident, $sqlx:ident, $refusal:path) => {
        /// Turns an error of sqlx into the library's, with SQLSTATE and cause.
        pub(crate) fn $name(error: $sqlx::Error) -> Error {
            let made = match &error {
                $sqlx::Error::Database(db) => {
                    match db.try_downcast_ref::<$sqlx::postgres::PgDatabaseError>() {
                        Some(db) => {
                            let report = Report {
                                code: db.code(),
                                routine: db.routine(),
                                message: db.message(),
                                detail: detail(db.code(), db.detail()),
                                hint: db.hint(),
                                constraint: db.constraint(),
                            };
                            return from_report(&report).with_source($refusal(db));
                        }
                        None => Error::internal(error.to_string()),
                    }
                }
                $sqlx::Error::Io(_) => {
                    Error::unavailable(format!("the connection to the database broke off: {error}"))
                }
                _ => Error::internal(format!("the database driver failed: {error}")),
            };
            made.with_source(error)
        }
    };
}

#[cfg(feature = "sqlx")]
from_sqlx!(from_sqlx, sqlx, Refusal::of_sqlx);
#[cfg(feature = "sqlx-0_8")]
from_sqlx!(from_sqlx_0_8, sqlx_0_8, Refusal::of_sqlx_0_8);

/// Turns an error of Diesel into the library's, with cause. Diesel passes no SQLSTATE on, only the kinds of some errors.
#[cfg(feature = "diesel-async")]
pub(crate) fn from_diesel(error: diesel::result::Error) -> Error {
    use diesel::result::DatabaseErrorKind as Kind;
    let diesel::result::Error::DatabaseError(kind, db) = &error else {
        return Error::internal(format!("the database driver failed: {error}")).with_source(error);
    };
    let constraint = db.constraint_name();
    let code = match kind {
        Kind::UniqueViolation => SqlState::UNIQUE_VIOLATION.code(),
        Kind::CheckViolation => SqlState::CHECK_VIOLATION.code(),
        Kind::SerializationFailure => SqlState::T_R_SERIALIZATION_FAILURE.code(),
        Kind::ReadOnlyTransaction => READ_ONLY,
        Kind::ClosedConnection => SqlState::CONNECTION_FAILURE.code(),
        _ => constraint.filter(|name| name.starts_with("OQ")).unwrap_or_default(),
    };
    if code.is_empty() {
        return Error::internal(format!("the database reports: {}", db.message())).with_source(error);
    }
    let report = Report {
        code,
        routine: None,
        message: db.message(),
        detail: detail(code, db.details()),
        hint: db.hint(),
        constraint,
    };
    from_report(&report).with_source(error)
}

fn from_report(db: &Report<'_>) -> Error {
    let detail = db.detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
    let hint = db.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    let message = format!("{}{detail}{hint}", db.message);
    let code = db.code;
    let made = match code {
        "OQ001" => Error::claim_lost(message),
        "OQ003" => Error::not_found(message),
        "OQ004" | "OQ007" => Error::conflict(message),
        "OQ002" => Error::invalid(message),
        "OQ009" => duplicates::key_held(db.detail, message),
        _ if code == SqlState::UNIQUE_VIOLATION.code() => {
            duplicates::error(db.constraint, db.detail, db.message)
        }
        _ if code == SqlState::CHECK_VIOLATION.code() => Error::invalid(format!(
            "the database refused a value by its rule {:?}: {}",
            db.constraint.unwrap_or_default(),
            db.message
        )),
        _ if code == SqlState::INSUFFICIENT_PRIVILEGE.code() => Error::permission_denied(format!(
            "{message}: grant the role what the documentation's \"Roles\" lists"
        )),
        "3F000" | "42P01" | "42883" | NO_COLUMN => Error::schema_missing(format!(
            "{message}: the schema is missing, older than this version needs, renamed since, or changed by a newer migration; `omniq db \
             status` says which, and `omniq db migrate` makes or updates it"
        )),
        "3D000" => Error::config(message),
        NOT_NOW if db.routine == Some("RevalidateCachedQuery") => Error::unavailable(message),
        // What a standby reports for a transaction that must write.
        NOT_NOW if db.routine == Some("call_bool_check_hook") => Error::unavailable(without_writes(&message)),
        READ_ONLY => Error::unavailable(without_writes(&message)),
        NOT_PREPARED => Error::unavailable(message),
        // The server ended the session: it was idle in a transaction, or the transaction took too long.
        "25P03" | "25P04" => Error::unavailable(message),
        "57014" => Error::timeout(format!("{message}: the server ended the statement")),
        "55P03" => Error::timeout(format!("{message}: another session holds the lock")),
        // Connection failures, no free slot, shutdown, and rollbacks that ask for a retry.
        _ if code.starts_with("08")
            || code.starts_with("53")
            || code.starts_with("57P")
            || code.starts_with("40") =>
        {
            Error::unavailable(message)
        }
        _ if code.starts_with("28") => Error::permission_denied(message),
        _ if code.starts_with("22") || code.starts_with("23") => Error::invalid(message),
        _ => Error::internal(format!("the database reports: {message}")),
    };
    made.with_sqlstate(code)
}

fn without_writes(message: &str) -> String {
    format!(
        "{message}: the server is a standby, or it or the transaction is read-only; name the primary in the URL, or several hosts with \
         target_session_attrs=read-write"
    )
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if cause.is::<std::io::Error>() {
            return true;
        }
        next = cause.source();
    }
    // The driver's own words where it gives no source: no host could be reached in time.
    error.to_string().contains("timeout") || error.to_string().contains("connect")
}

/// The innermost cause, without the driver's words around it.
fn innermost(error: &tokio_postgres::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The driver's message with its causes.
fn root(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

/// Turns an error of the pool into the library's.
pub(crate) fn from_pool(error: PoolError<Error>, max: usize, waited: std::time::Duration) -> Error {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => Error::pool_timeout(format!(
            "no connection of the pool became free within {waited:?}: all {max} are in use or being opened; raise pool_max or \
             acquire_timeout"
        )),
        PoolError::Backend(error) => error,
        PoolError::Closed => Error::closed("the connection pool is closed: open a new one"),
        other => Error::internal(format!("the connection pool failed: {other}")).with_source(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, routine: Option<&str>) -> Error {
        from_report(&Report { code, routine, message: "", detail: None, hint: None, constraint: None })
    }

    /// Issue 12, C4: which errors end the use of a session, and after which of those a statement may be sent again.
    #[test]
    fn sessions_of_no_use_are_known_by_their_sqlstate() {
        for code in ["25006", "26000", "53300", "57P03"] {
            let error = error(code, None);
            assert!(error.is_unavailable() && is_away(&error) && was_not_done(&error), "{code}");
        }
        for code in ["08006", "25P03", "25P04", "53100", "57P01", "57P02", "57P05"] {
            let error = error(code, None);
            assert!(error.is_unavailable() && is_away(&error) && !was_not_done(&error), "{code}");
        }
        for code in ["40001", "40P01"] {
            let error = error(code, None);
            assert!(error.is_transient() && !is_away(&error) && !was_not_done(&error), "{code}");
        }
        for code in ["57014", "55P03", "23505", "42P01", "0A000", "XX000"] {
            let error = error(code, None);
            assert!(!is_away(&error) && !was_not_done(&error), "{code}");
        }
        for code in ["3F000", "42P01", "42883", "42703"] {
            let error = error(code, None);
            assert!(error.is_schema_missing() && error.to_string().contains("omniq db status"), "{error:?}");
        }
        for routine in ["RevalidateCachedQuery", "call_bool_check_hook"] {
            let error = error(NOT_NOW, Some(routine));
            assert!(is_away(&error) && was_not_done(&error), "{routine}");
        }
    }
}
