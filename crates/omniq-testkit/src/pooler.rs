//! A PgBouncer in front of the test server, which assigns server connections by transaction.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::TestDb;

/// A running pooler; ends when dropped.
#[derive(Debug)]
pub struct Pooler {
    child: Child,
    folder: PathBuf,
    port: u16,
    url: String,
}

fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates are two folders down");
    let places =
        [root.join(".venv/pgbouncer/pgbouncer"), "/usr/sbin/pgbouncer".into(), "/usr/bin/pgbouncer".into()];
    places.into_iter().find(|place| place.exists()).expect("pgbouncer: run scripts/setup.sh")
}

impl Pooler {
    /// Starts one for this database, with two server connections for all clients. `more`: further lines of its configuration.
    pub fn start(db: &TestDb, more: &str) -> Self {
        Self::at(&db.url(), more)
    }

    /// Starts one for the database and role of this URL.
    pub fn at(url: &str, more: &str) -> Self {
        let server: Config = url.parse().expect("the test server has a URL");
        let database = server.get_dbname().expect("a URL with a database").to_owned();
        let host = match server.get_hosts() {
            [Host::Tcp(host), ..] => host.clone(),
            [Host::Unix(folder), ..] => folder.display().to_string(),
            [] => "127.0.0.1".to_owned(),
        };
        let port = server.get_ports().first().copied().unwrap_or(5432);
        let user = server.get_user().unwrap_or("omniq");
        let password = String::from_utf8_lossy(server.get_password().unwrap_or_default()).into_owned();
        let own =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let folder = std::env::temp_dir().join(format!("omniq-pooler-{database}-{own}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        // Under root, it runs as another user.
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).expect("open to all");
        let file = folder.join("pgbouncer.ini");
        let log = folder.join("log");
        let configuration = format!(
            "[databases]\n* = host={host} port={port} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\nlogfile = {}\n{more}\n",
            log.display()
        );
        std::fs::write(&file, configuration).expect("a configuration");
        let url = format!("postgresql://{user}@127.0.0.1:{own}/{database}");
        Self { child: run(&folder, own), folder, port: own, url }
    }

    /// Kills it and starts it again at the same place: every connection through it breaks.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = run(&self.folder, self.port);
    }

    /// The URL that leads through it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Starts the program, and waits until it answers.
fn run(folder: &Path, port: u16) -> Child {
    let mut command = Command::new(program());
    if geteuid().is_root() {
        command.args(["-u", "nobody"]);
    }
    command.arg(folder.join("pgbouncer.ini"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgbouncer starts");
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let said = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < end, "pgbouncer does not answer: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
