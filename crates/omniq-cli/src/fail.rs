//! Why a command failed: a message for people and an exit code for programs.

use std::fmt;
use std::io;

pub type Result<T> = std::result::Result<T, Failure>;

/// The exit codes. They are part of the command's interface, and its help lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The reader of the output has closed the pipe, as `head` does. This is no error.
    Quiet = 0,
    Failure = 1,
    Usage = 2,
    NotFound = 3,
    Unavailable = 4,
    TimeOver = 5,
    Interrupted = 130,
}

#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    causes: Vec<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The causes of the error, for `--verbose`.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<omniq::Error> for Failure {
    fn from(error: omniq::Error) -> Self {
        let exit = match () {
            () if error.is_invalid() || error.is_config() || error.is_codec() => Exit::Usage,
            () if error.is_not_found() => Exit::NotFound,
            () if error.is_timeout() => Exit::TimeOver,
            () if error.is_transient() => Exit::Unavailable,
            () => Exit::Failure,
        };
        let message = match exit {
            Exit::Unavailable => format!(
                "{error}\nIs the server up, and is the URL right (OMNIQ_URL, --url)? Without a URL, the embedded \
                 server is used."
            ),
            _ => error.to_string(),
        };
        Self::new(exit, message).caused_by(&error)
    }
}

impl From<omniq_embedded::Error> for Failure {
    fn from(error: omniq_embedded::Error) -> Self {
        let exit = if error.is_programs() || error.is_timeout() { Exit::Unavailable } else { Exit::Failure };
        Self::new(exit, error.to_string()).caused_by(&error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Quiet } else { Exit::Failure };
        Self::new(exit, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Exit::Failure, format!("JSON cannot be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};
    use std::io::{Error, ErrorKind};

    #[test]
    fn each_kind_of_error_has_its_exit_code() {
        let exit = |error: omniq::Error| Failure::from(error).exit() as u8;
        assert_eq!(exit(omniq::Error::invalid("x")), 2);
        assert_eq!(exit(omniq::Error::config("x")), 2);
        assert_eq!(exit(omniq::Error::not_found("x")), 3);
        assert_eq!(exit(omniq::Error::unavailable("x")), 4);
        assert_eq!(exit(omniq::Error::timeout("x")), 5);
        assert_eq!(exit(omniq::Error::timeout("a lock was not granted").with_sqlstate("55P03")), 5);
        assert_eq!(exit(omniq::Error::conflict("x")), 1);
        assert_eq!(Failure::from(Error::from(ErrorKind::BrokenPipe)).exit(), Exit::Quiet);
    }
}
