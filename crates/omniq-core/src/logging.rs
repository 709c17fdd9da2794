//! What the library logs and how it is switched on; apart from task events, which are data.
//!
//! OmniQ logs with [`tracing`] under targets that all begin with `omniq`: `omniq_core::worker` (claims, settlements,
//! outages, the stop of a worker), `omniq_core::lease` (heartbeats), `omniq_core::backend` (events that were
//! dropped), `omniq_core::handler`, and `omniq_postgres`. Runs of handlers are inside the span `run` with the fields `task`,
//! `func` and `attempt`, so that what a handler logs can be told apart.
//!
//! | level | what |
//! |---|---|
//! | error | a panic of a handler; what cannot be settled |
//! | warn | outages (once each), lost leases and claims, lost workers, failed runs |
//! | info | start and stop of workers, the end of an outage |
//! | debug | each try during an outage, dropped events of a resting store |
//!
//! No payload and no password is ever logged, not even by the driver (`tokio_postgres` shows no parameters that OmniQ sends). Of a failed run the error's type is logged, not its message, which can
//! hold arguments; the message stands in the task's record. A panic's message is logged, as it would otherwise have gone to stderr.
//!
//! A library installs no subscriber; the `omniq` crate and the command do, with [`level_from_env`] and [`directive`].

use tracing::level_filters::LevelFilter;

use crate::{Error, Result};

/// What all targets begin with.
pub const TARGET: &str = "omniq";
/// The environment variable that sets the level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
pub const LEVEL_VARIABLE: &str = "OMNIQ_LOG_LEVEL";

/// Reads a level by its name, whatever its case. Error `is_config` for another word.
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
/// use omniq_core::logging::{directive, parse_level};
/// assert_eq!(directive(parse_level("Debug").unwrap()), "omniq=debug");
/// ```
pub fn directive(level: LevelFilter) -> String {
    format!("{TARGET}={level}")
}
