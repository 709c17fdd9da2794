//! The command as a user runs it: the built program, with an environment of its own.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use omniq::backend::postgres::{AsyncPostgresBackend, Settings};
use omniq::{Context, Failure, Worker};
use omniq_testkit::TestDb;
use serde_json::Value;
use tempfile::TempDir;

/// A command without any of the variables of OmniQ and PostgreSQL that the caller may have set.
pub fn omniq() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omniq"));
    let read = |name: &str| name.starts_with("OMNIQ_") || name.starts_with("PG") || name == "DATABASE_URL";
    let ours = std::env::vars_os().filter(|(name, _)| read(&name.to_string_lossy()));
    // The machine chooses the server programs, not the test.
    for (name, _) in ours.filter(|(name, _)| name != "OMNIQ_PG_BIN") {
        command.env_remove(name);
    }
    if let Some(bin) = std::env::var_os("OMNIQ_TEST_PG_BIN") {
        command.env("OMNIQ_PG_BIN", bin);
    }
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("the command runs"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Checks that the command succeeded.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    #[track_caller]
    pub fn fails_with(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(words), "{words:?} is not in {self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "code {}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// A test database, and the command on it.
pub struct Bench {
    pub db: TestDb,
}

impl Bench {
    pub async fn new() -> Self {
        Self { db: TestDb::new().await }
    }

    /// With the schema of all parts, events included.
    pub async fn ready() -> Self {
        let bench = Self::new().await;
        bench.backend().await.close().await.expect("the backend closes");
        bench
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = omniq();
        command.args(arguments).env("OMNIQ_URL", self.db.url());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        Ran::of(self.command(arguments).arg("--json")).good().json()
    }

    /// The entries of a list.
    pub fn entries(&self, arguments: &[&str]) -> Value {
        self.json(arguments)[arguments[0]].take()
    }

    pub async fn backend(&self) -> AsyncPostgresBackend {
        let settings = Settings::builder().url(self.db.url()).events("postgres").build();
        AsyncPostgresBackend::with_settings(&settings.expect("good settings")).await.expect("a backend")
    }

    /// Runs the tasks that wait: `add` adds, `break` fails for good.
    pub async fn work(&self, backend: &AsyncPostgresBackend) {
        Worker::builder(backend)
            .register("add", |(a, b): (i64, i64), _: Context| async move { Ok::<_, Failure>(a + b) })
            .register("break", |_: Value, _: Context| async move {
                Err::<(), _>(Failure::fatal("broken", "it broke\x1b[31m").trace("first line\nsecond line"))
            })
            .name("worker-1")
            .build()
            .expect("a worker")
            .run_until_idle()
            .await
            .expect("the work is done");
    }
}

/// A folder that the embedded server's user can enter as well.
pub fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("omniq-cli-").permissions(open).tempdir().expect("a folder")
}

/// Waits until a condition holds. Panics after a minute.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A home of the embedded server that is stopped and removed at the end of the test.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        Self(folder())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = omniq();
        command.args(arguments).env("OMNIQ_HOME", self.0.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    pub fn is_running(&self) -> bool {
        self.run(&["dev", "status", "--json"]).good().json()["running"] == true
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.command(&["dev", "stop", "-q"]).output();
    }
}
