//! Turns the library's log on for programs that have no subscriber of their own.
//!
//! OmniQ logs by `tracing`, under targets that begin with `omniq`: a program that installs a subscriber gets these lines without this
//! module. Task events are data, not log lines. [`omniq_core::logging`] lists what is logged at which level.

pub use omniq_core::logging::{
    ERRORS_VARIABLE, LEVEL_VARIABLE, LoggedErrors, TARGET, directive, level_from_env, parse_level,
};

use crate::{Error, Result};

/// Writes OmniQ's log to stderr at the level that `OMNIQ_LOG_LEVEL` names. Default: `warn`, which shows warnings and errors.
///
/// Errors: `is_config` for an unknown level, or if the program already has a subscriber.
pub fn init_from_env() -> Result<()> {
    let level = level_from_env()?.map_or_else(|| "warn".to_owned(), |level| level.to_string());
    init(&level)
}

/// Writes OmniQ's log to stderr at this level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
///
/// Errors: `is_config` for any other word, or if the program already has a subscriber.
pub fn init(level: &str) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::new(directive(parse_level(level)?));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init().map_err(
        |error| {
            Error::config(format!(
                "a subscriber for tracing is installed already: add the filter {:?} to it ({error})",
                format!("{TARGET}={level}")
            ))
        },
    )
}
