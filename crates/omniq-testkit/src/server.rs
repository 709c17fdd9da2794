//! The servers of the tests: one shared by all, and private ones that a test may restart or kill.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use omniq_embedded::{Lifetime, Options, Programs, Server, StopMode};

fn programs() -> Programs {
    match std::env::var_os("OMNIQ_TEST_PG_BIN") {
        Some(folder) => Programs::in_folder(folder),
        None => Programs::locate(),
    }
    .expect("PostgreSQL server programs: run scripts/setup.sh")
}

/// A folder that every user of the machine can reach, because under root the server runs as another user. Each checkout
/// has its own. `scripts/lib.sh` uses the same rule.
fn folder(programs: &Programs) -> PathBuf {
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap_or(std::path::Path::new(""));
    let checkout = checkout.to_string_lossy().replace('/', "_");
    let base = std::env::temp_dir().join(format!("omniq-test-{user}{checkout}"));
    base.join(format!("pg-{}", programs.version()))
}

/// The URL of the server that all tests share, its database `omniq`.
pub fn server_url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        if let Ok(url) = std::env::var("OMNIQ_TEST_URL") {
            return url;
        }
        let programs = programs();
        // The data of tests need not survive a power cut.
        let options = Options::new(folder(&programs))
            .bin_dir(programs.bin_dir())
            .setting("fsync", "off")
            .setting("full_page_writes", "off")
            .setting("max_connections", "400");
        let server = Server::start(options).expect("the shared test server starts");
        server.url()
    })
    .clone()
}

/// A private server that is removed with this value, including its folder.
#[derive(Debug)]
pub struct FaultServer {
    server: Option<Server>,
    folder: PathBuf,
}

/// A private server, durable as in production, for tests that restart or kill it.
pub fn fault_server(name: &str) -> FaultServer {
    let programs = programs();
    let folder = folder(&programs).with_file_name(format!("fault-{name}-{}", std::process::id()));
    let options = Options::new(&folder)
        .bin_dir(programs.bin_dir())
        .lifetime(Lifetime::Owned)
        .setting("max_prepared_transactions", "10")
        .setting("max_connections", "300");
    let server = Server::start(options).expect("a private test server starts");
    FaultServer { server: Some(server), folder }
}

impl FaultServer {
    /// A copy of this server with all its data, as a standby without a primary: it can be read, and promoted. This
    /// server is restarted for that.
    pub fn standby(&mut self, name: &str) -> Self {
        let programs = programs();
        let folder = self.folder.with_file_name(format!("fault-{name}-{}", std::process::id()));
        self.stop(StopMode::Fast).expect("the server can be stopped");
        let copied = Command::new("cp").arg("-a").args([&self.folder, &folder]).status();
        assert!(copied.is_ok_and(|status| status.success()), "the data folder can be copied");
        std::fs::write(folder.join(STANDBY), "").expect("a file in the data folder");
        // This server starts first, so that it keeps its port.
        self.restart(StopMode::Fast).expect("the server starts again");
        let options = Options::new(&folder)
            .bin_dir(programs.bin_dir())
            .lifetime(Lifetime::Owned)
            // No lower than on the server that was copied.
            .setting("max_prepared_transactions", "10")
            .setting("max_connections", "300");
        let server = Server::start(options).expect("a standby starts");
        Self { server: Some(server), folder }
    }

    /// Makes this server a standby at its next start.
    pub fn demote(&self) {
        std::fs::write(self.folder.join(STANDBY), "").expect("a file in the data folder");
    }
}

/// A server with this file in its data folder starts as a standby.
const STANDBY: &str = "data/standby.signal";

impl Deref for FaultServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server.as_ref().expect("it is there until the drop")
    }
}

impl DerefMut for FaultServer {
    fn deref_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("it is there until the drop")
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        drop(self.server.take());
        // A leftover folder does no harm except for its size.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
