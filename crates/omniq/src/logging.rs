//! Turns the library's logging on for programs that have no subscriber of their own.
//!
//! OmniQ logs by `tracing`; a program that installs a subscriber has its lines already, under targets that begin with
//! `omniq`. Task events are data, and not part of it. What is logged at which level stands in [`omniq_core::logging`].

pub use omniq_core::logging::{LEVEL_VARIABLE, TARGET, directive, level_from_env, parse_level};

use crate::{Error, Result};

/// Writes OmniQ's log to stderr at the level that `OMNIQ_LOG_LEVEL` names; without it, warnings and errors.
///
/// Errors: `is_config` for a level that is no level, or if the program has a subscriber already.
pub fn init_from_env() -> Result<()> {
    let level = level_from_env()?.map_or_else(|| "warn".to_owned(), |level| level.to_string());
    init(&level)
}

/// Writes OmniQ's log to stderr at this level: `off`, `error`, `warn`, `info`, `debug` or `trace`.
///
/// Errors: `is_config` for another word, or if the program has a subscriber already.
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
