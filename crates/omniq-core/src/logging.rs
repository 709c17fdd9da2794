//! What the library logs, and how logging is switched on. Task events are data, and separate from this.
//!
//! OmniQ logs with [`tracing`] under targets that all begin with `omniq`: `omniq_core::worker` (claims, settlements,
//! outages, the stop of a worker), `omniq_core::lease` (heartbeats), `omniq_core::backend` (events that were dropped),
//! `omniq_core::handler`, `omniq_core::verbs` (tasks that cannot be read), and `omniq_postgres`. Handlers run inside
//! the span `run` with the fields `task`, `func` and `attempt`, which attribute what a handler logs to its run.
//!
//! | level | what |
//! |---|---|
//! | error | a panic of a handler; a task that cannot be settled or read |
//! | warn | outages (once each), lost leases and claims, lost workers, failed runs, dropped events |
//! | info | start and stop of workers, the end of an outage |
//! | debug | each try during an outage, writes of events that are tried again |
//!
//! No payload and no password is ever logged, not even by the driver (`tokio_postgres` shows no parameters that OmniQ
//! sends). A failed run is logged with the type of its error but without the message, which can contain arguments; the
//! message is in the task's record. A panic's message is logged, because it would otherwise have gone to stderr.
//!
//! This crate installs no subscriber. The `omniq` crate and the command do, with [`level_from_env`] and [`directive`].

use tracing::level_filters::LevelFilter;

use crate::{Error, Result};

/// The prefix of all targets.
pub const TARGET: &str = "omniq";
/// The environment variable that sets the level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
pub const LEVEL_VARIABLE: &str = "OMNIQ_LOG_LEVEL";

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
    match std::env::var(LEVEL_VARIABLE) {
        Ok(name) if name.trim().is_empty() => Ok(None),
        Ok(name) => parse_level(&name).map(Some).map_err(|error| error.context(LEVEL_VARIABLE)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::config(format!("{LEVEL_VARIABLE} is not Unicode text")))
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
