//! The one error type: it says what was tried, with which value, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the embedded server could not do what was asked.
///
/// The message names the value, the limit and the remedy; it never holds the server's password.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Kind);

impl Error {
    /// True if no PostgreSQL server programs were found, or the ones named are unusable.
    pub fn is_programs(&self) -> bool {
        matches!(self.0, Kind::NoPrograms | Kind::Programs { .. })
    }

    /// True if the data folder was made by another major version than the programs found.
    pub fn is_version_mismatch(&self) -> bool {
        matches!(self.0, Kind::Version { .. })
    }

    /// True if the server did not start or stop within [`Options::timeout`](crate::Options::timeout).
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Kind::Timeout { .. } | Kind::StopTimeout { .. } | Kind::Lock { .. })
    }

    /// True if an owned server was requested in a folder in which a server already runs.
    pub fn is_already_running(&self) -> bool {
        matches!(self.0, Kind::Running { .. })
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error(
        "no PostgreSQL server programs (postgres, initdb) found. Any one of these helps: install the \
         Debian package `postgresql`; run `pip install omniq-pg[embedded]` in the virtual environment; \
         set OMNIQ_PG_BIN to the bin folder of a PostgreSQL installation"
    )]
    NoPrograms,
    #[error(
        "{origin} names {path:?}, which is unusable: {reason}. Name a bin folder with `postgres` and `initdb`"
    )]
    Programs { origin: &'static str, path: PathBuf, reason: String },
    #[error(
        "the data folder {path:?} was made by PostgreSQL {folder}, the programs in {bin:?} are version \
         {programs}. Set OMNIQ_PG_BIN to the bin folder of version {folder}, or use another data folder"
    )]
    Version { path: PathBuf, folder: String, bin: PathBuf, programs: u32 },
    #[error(
        "the server has to run as user `{user}` (PostgreSQL refuses to run as root), who cannot enter \
         {blocked:?} on the way to {path:?}. Use a data folder elsewhere (OMNIQ_HOME), or allow it with \
         `chmod o+x {}`", blocked.display()
    )]
    Unreachable { path: PathBuf, blocked: PathBuf, user: String },
    #[error(
        "running as root, and neither user `postgres` nor `nobody` is in /etc/passwd to run the server as"
    )]
    NoAccount,
    #[error(
        "the data folder {path:?} belongs to user id {owner}, not to yours ({me}). Use another folder, or run as its owner"
    )]
    Foreign { path: PathBuf, owner: u32, me: u32 },
    #[error("{path:?} holds files that are not from an embedded server. Use an empty or a new folder")]
    NotEmpty { path: PathBuf },
    #[error(
        "a server (pid {pid}) already runs in {path:?}. Stop it, use another folder, or share it (`Lifetime::Shared`)"
    )]
    Running { path: PathBuf, pid: u32 },
    #[error("no server runs in {path:?}. Start one first")]
    NotRunning { path: PathBuf },
    #[error(
        "the data folder {path:?} has a line break in its name, which PostgreSQL cannot handle. Use another folder"
    )]
    LineBreak { path: PathBuf },
    #[error("setting `{key}` is refused: {reason}")]
    Setting { key: String, reason: &'static str },
    #[error("{program:?} failed ({status}). Its last words:\n{output}")]
    Failed { program: PathBuf, status: String, output: String },
    #[error("the server was not ready within {seconds} s. The end of its log {log:?}:\n{output}")]
    Timeout { seconds: f64, log: PathBuf, output: String },
    #[error(
        "the server (pid {pid}) had not stopped after {seconds} s; clients may still be connected. Stop it in mode fast or immediate"
    )]
    StopTimeout { pid: u32, seconds: f64 },
    #[error(
        "another process has been starting or stopping the server for {seconds} s: {path:?} is locked. Try again, or end that process"
    )]
    Lock { path: PathBuf, seconds: f64 },
    #[error("no free port found on 127.0.0.1 after {tries} tries")]
    NoPort { tries: u32 },
    #[error("cannot {what} {path:?}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// Adds the file on which an operation failed, because `io::Error` does not name it.
pub(crate) trait At<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Kind::Io { what, path: path.into(), source }.into())
    }
}
