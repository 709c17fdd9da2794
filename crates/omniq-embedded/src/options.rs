//! The options of a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a server lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until [`Server::stop`](crate::Server::stop) or the machine ends it. It survives its starter and
    /// is shared by all processes that name the same data folder.
    #[default]
    Shared,
    /// Until its [`Server`](crate::Server) is dropped or the process that started it ends, however it
    /// ends. A child that was forked from that process and lives on keeps the server alive.
    Owned,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopMode {
    /// Waits until all clients have left by themselves.
    Smart,
    /// Ends all sessions (their open transactions are rolled back), then shuts down cleanly.
    #[default]
    Fast,
    /// Ends at once, without a clean shutdown: the next start recovers from the write-ahead log.
    Immediate,
}

/// Where and how a server is started.
///
/// `Options::default()` is the current user's development server, in `OMNIQ_HOME`, else `$XDG_DATA_HOME/omniq` or
/// `~/.local/share/omniq`, for root `/var/lib/omniq`, each in a subfolder of its major version such as `pg-18`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) bin_dir: Option<PathBuf>,
    pub(crate) lifetime: Lifetime,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
}

impl Options {
    /// A server in this data folder, which is made if it is missing.
    pub fn new(data_dir: impl AsRef<Path>) -> Self {
        Self { data_dir: Some(data_dir.as_ref().into()), ..Self::default() }
    }

    /// Takes the server programs from this folder, even if others are installed.
    pub fn bin_dir(mut self, bin_dir: impl AsRef<Path>) -> Self {
        self.bin_dir = Some(bin_dir.as_ref().into());
        self
    }

    /// Shared (the default) or owned.
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// A configuration setting, such as `("fsync", "off")`; it wins over this crate's defaults.
    ///
    /// It takes effect when this call starts the server; a server that already runs keeps its own.
    /// With `fsync` off the data folder is also made without waiting for the disk.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// How long a start or stop may take before it is an error. Default: 60 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub(crate) fn limit(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(60))
    }

    /// True if the caller has turned durability off, so that waiting for the disk gains nothing.
    pub(crate) fn careless(&self) -> bool {
        let fsync = self.settings.iter().rfind(|(key, _)| key.eq_ignore_ascii_case("fsync"));
        fsync.is_some_and(|(_, value)| {
            matches!(value.to_ascii_lowercase().as_str(), "off" | "false" | "no" | "0")
        })
    }
}
