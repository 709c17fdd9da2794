//! What the tests of real servers share: folders, queries, a second process, and cleanup.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use omniq_embedded::{Lifetime, Options, Server, StopMode};
use tempfile::TempDir;

/// A folder that the server's user can pass through, also when the tests run as root.
pub fn temp() -> TempDir {
    let temp = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
    temp
}

pub fn quick(data_dir: &Path) -> Options {
    Options::new(data_dir).setting("fsync", "off").timeout(Duration::from_secs(30))
}

pub fn owned(data_dir: &Path) -> Options {
    quick(data_dir).lifetime(Lifetime::Owned)
}

/// Stops the shared server of a folder at the end of a test, also of one that fails.
pub struct Stop(pub PathBuf);

impl Drop for Stop {
    fn drop(&mut self) {
        if let Ok(Some(mut server)) = Server::attach(quick(&self.0)) {
            let _ = server.stop(StopMode::Immediate);
        }
    }
}

/// The answer of psql, or its error message.
pub fn query(server: &Server, sql: &str) -> String {
    let output = server.psql_command().args(["-XAtqc", sql]).output().expect("psql runs");
    let text = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// This test program once more, as another process that runs only the test `name`, with its module.
pub fn again(name: &str, data_dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.args(["--exact", name, "--nocapture"]).env("OMNIQ_TEST_FOLDER", data_dir);
    command
}

/// The folder that [`again`] passed on; `None` if this is an ordinary test run.
pub fn handed_over() -> Option<PathBuf> {
    std::env::var_os("OMNIQ_TEST_FOLDER").map(PathBuf::from)
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "still not so after 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
