//! The `omniq` command of the Python package: the command of the Rust crate, called from Python.

use std::ffi::OsString;
use std::path::PathBuf;

use omniq_cli::Host;
use pyo3::prelude::*;

/// The command that Python adds.
const OTHERS: [(&str, &str); 1] = [("worker", "Run a worker on the tasks of a Python application")];

/// Runs the command with these arguments, the first of which is its name, and returns its exit code.
#[pyfunction]
pub(crate) fn command(py: Python<'_>, arguments: Vec<OsString>, python: PathBuf) -> u8 {
    py.detach(|| omniq_cli::run(arguments, Host { commands: &OTHERS, python: Some(python) }))
}
