//! Log lines on stderr, at the level that `OMNIQ_LOG_LEVEL`, `--verbose` or `--quiet` asks for.

use std::io;

use omniq_core::logging::{directive, level_from_env};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::args::Global;
use crate::fail::Result;

pub fn start(global: &Global) -> Result<()> {
    let level = match global.verbose {
        0 if global.quiet => LevelFilter::ERROR,
        0 => level_from_env()?.unwrap_or(LevelFilter::WARN),
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter = EnvFilter::new(directive(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(global.colors_on_stderr())
        .try_init()
        .unwrap_or_else(|_| tracing::debug!("within a program that takes the log lines itself"));
    Ok(())
}
