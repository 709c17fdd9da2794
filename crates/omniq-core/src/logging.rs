//! What the library logs, and how logging is switched on. Task events are data, and separate from this.
//!
//! OmniQ logs with [`tracing`] under targets that all begin with `omniq`: `omniq_core::worker` (claims, settlements,
//! outages, the stop of a worker), `omniq_core::lease` (heartbeats), `omniq_core::backend` (events that were dropped),
//! `omniq_core::handler`, `omniq_core::verbs` (tasks that cannot be read), and `omniq_postgres`. Handlers run inside
//! the span `run` with the fields `task`, `func`, `queue` and `attempt`, which attribute what a handler logs to its run.
//!
//! | level | what |
//! |---|---|
//! | error | a panic of a handler; a task that cannot be settled or read |
//! | warn | outages (once each), lost leases and claims, lost workers, failed runs, dropped events |
//! | info | start and stop of workers, a summary of each worker each minute, the end of an outage |
//! | debug | runs that did not fail, each try during an outage, writes of events that are tried again |
//!
//! The start of a worker is logged with its version, queues, functions, slots and database; the summary
//! (`omniq_core::worker::summary`) tells how many runs were done and have failed, their rate, and how many tasks wait in
//! the worker's queues.
//!
//! No payload and no password is ever logged, not even by the driver (`tokio_postgres` shows no parameters that OmniQ
//! sends). A failed run is one line with the type and the message of its error, and at the level info or lower with its
//! trace. The message is the handler's own and may contain arguments: [`LoggedErrors`] hides it. A panic's message is
//! logged in any case, because it would otherwise have gone to stderr.
//!
//! This crate installs no subscriber. The `omniq` crate and the command do, with [`level_from_env`] and [`directive`].

use tracing::level_filters::LevelFilter;

use crate::{Error, Result};

/// The prefix of all targets.
pub const TARGET: &str = "omniq";
/// The environment variable that sets the level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
pub const LEVEL_VARIABLE: &str = "OMNIQ_LOG_LEVEL";
/// The environment variable that says what is shown of errors: `type`, `message` or `trace`.
pub const ERRORS_VARIABLE: &str = "OMNIQ_LOG_ERRORS";

/// What the log shows of the error of a failed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedErrors {
    /// Its type alone, because messages can contain arguments.
    Type,
    /// Type and message.
    Message,
    /// Type, message and trace: in Python the traceback, in Rust the causes.
    Trace,
}

impl std::str::FromStr for LoggedErrors {
    type Err = Error;

    /// Reads `type`, `message` or `trace`. Error `is_config` for another word.
    fn from_str(name: &str) -> Result<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "type" => Ok(Self::Type),
            "message" => Ok(Self::Message),
            "trace" => Ok(Self::Trace),
            _ => Err(Error::config(format!(
                "{name:?} is no part of errors to log: use type, message or trace"
            ))),
        }
    }
}

/// Reads a level by its name, in upper or lower case; `critical` and `warning` mean error and warn. Error `is_config`
/// for another word.
pub fn parse_level(name: &str) -> Result<LevelFilter> {
    match name.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" | "critical" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(Error::config(format!(
            "log level {name:?} is unknown: use off, error, warn, info, debug or trace"
        ))),
    }
}

/// The level that [`LEVEL_VARIABLE`] asks for; `None` if it is not set or empty. Error `is_config` for another word.
pub fn level_from_env() -> Result<Option<LevelFilter>> {
    from_env(LEVEL_VARIABLE, parse_level)
}

/// What [`ERRORS_VARIABLE`] asks for; `None` if it is not set or empty. Error `is_config` for another word.
pub fn logged_errors_from_env() -> Result<Option<LoggedErrors>> {
    from_env(ERRORS_VARIABLE, str::parse)
}

fn from_env<T>(variable: &str, read: impl Fn(&str) -> Result<T>) -> Result<Option<T>> {
    match std::env::var(variable) {
        Ok(name) if name.trim().is_empty() => Ok(None),
        Ok(name) => read(&name).map(Some).map_err(|error| error.context(variable)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::config(format!("{variable} is not Unicode text")))
        }
    }
}

/// The filter directive that lets through all of OmniQ's logging at this level, such as `omniq=debug`.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::logging::{directive, parse_level};
/// assert_eq!(directive(parse_level("Debug").unwrap()), "omniq=debug");
/// ```
pub fn directive(level: LevelFilter) -> String {
    format!("{TARGET}={level}")
}
