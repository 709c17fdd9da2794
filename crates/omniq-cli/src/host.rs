//! The program that contains this command: the program `omniq`, or the Python package.

use std::path::PathBuf;

/// The surroundings of the command. By default there are none: it is a program of its own.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Other commands of the program, each with its description, for the help.
    pub commands: &'static [(&'static str, &'static str)],
    /// The Python that runs it, where the package `omniq` is installed.
    pub python: Option<PathBuf>,
}

impl Host {
    /// The command as it was called, so that a suggestion can be typed as it stands.
    pub(crate) fn program(&self) -> String {
        let called = std::env::args().next().unwrap_or_default();
        let plain = called.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        // Under Python, this argument is the interpreter's name.
        if self.python.is_none() && plain && called.contains('/') { called } else { "omniq".to_owned() }
    }
}
