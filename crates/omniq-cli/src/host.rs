//! The program that this command is a part of: its own, or the Python package.

use std::path::PathBuf;

/// What is around the command. The default: nothing, it is a program of its own.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Other commands of the program, each with what it is for: they stand in the help.
    pub commands: &'static [(&'static str, &'static str)],
    /// The Python that runs it, where the package `omniq` is installed.
    pub python: Option<PathBuf>,
}

impl Host {
    /// The command as it was called, so that what is suggested can be typed as it stands.
    pub(crate) fn program(&self) -> String {
        let called = std::env::args().next().unwrap_or_default();
        let plain = called.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        // Under Python that is the interpreter's name.
        if self.python.is_none() && plain && called.contains('/') { called } else { "omniq".to_owned() }
    }
}
