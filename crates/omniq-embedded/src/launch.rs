//! The start of the server process, until it takes connections.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::error::{At, Kind, Result};
use crate::folder::Folder;
use crate::options::{Lifetime, Options};
use crate::owner::{self, Bond, Watcher};
use crate::process::{self, Running, State};
use crate::programs::Programs;
use crate::{config, port, socket};

/// A log that has grown beyond this is renamed at a start.
const LOG_LIMIT: u64 = 20 << 20;
const PAUSE: Duration = Duration::from_millis(2);

/// Starts the server. The caller holds the folder's lock and has checked that none runs.
pub(crate) fn launch(
    folder: &Folder,
    programs: &Programs,
    account: &Account,
    options: &Options,
) -> Result<(Running, Option<Bond>)> {
    let deadline = Instant::now() + options.limit();
    let socket_dir = socket::make(folder, account)?;
    let mut wanted = config::last_port(folder);
    loop {
        process::clear_leftover(&folder.data());
        let port = port::choose(wanted)?;
        config::write(folder, port, &socket_dir, &options.settings)?;
        let log = open_log(folder)?;
        let from = log.metadata().map_or(0, |meta| meta.len());
        let mut child = spawn(folder, programs, account, options.lifetime, log)?;
        let watcher = match options.lifetime {
            Lifetime::Owned => Some(Watcher::set(account, &mut child).at("watch over", folder.root())?),
            Lifetime::Shared => None,
        };
        let outcome = wait(&mut child, folder, deadline)?;
        if let Outcome::Ready(running) = outcome {
            if let Some(watcher) = watcher {
                return Ok((running, Some(Bond::new(child, watcher))));
            }
            // If the server ends before this process, this thread collects it.
            std::thread::spawn(move || child.wait());
            return Ok((running, None));
        }
        end(&mut child);
        let _ = watcher.map(Watcher::release);
        let output = tail(folder, from);
        if let Outcome::Ended(status) = outcome {
            // Another program took the port first; or the last server was killed, and a session of it has not ended yet.
            if output.contains("could not bind") {
                wanted = None;
            } else if !output.contains("shared memory block") {
                let (program, status) = (programs.program("postgres"), status.to_string());
                return Err(Kind::Failed { program, status, output }.into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if Instant::now() > deadline {
            let (log, seconds) = (folder.log(), options.limit().as_secs_f64());
            return Err(Kind::Timeout { seconds, log, output }.into());
        }
    }
}

fn spawn(
    folder: &Folder,
    programs: &Programs,
    account: &Account,
    lifetime: Lifetime,
    log: File,
) -> Result<Child> {
    let program = programs.program("postgres");
    let mut command: Command = match lifetime {
        Lifetime::Shared => account.command(&program),
        Lifetime::Owned => owner::command(account, &program),
    };
    let copy = log.try_clone().at("open the log", &folder.log())?;
    // A group of its own: Ctrl-C in the starter's terminal must not reach the server.
    command.arg("-D").arg(folder.data()).stdout(copy).stderr(log).process_group(0);
    command.spawn().at("run", &program)
}

enum Outcome {
    Ready(Running),
    Ended(ExitStatus),
    Late,
}

fn wait(child: &mut Child, folder: &Folder, deadline: Instant) -> Result<Outcome> {
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().at("wait for", folder.root())? {
            return Ok(Outcome::Ended(status));
        }
        if let Some(running) = ready(&folder.data()).filter(|running| running.pid == child.id()) {
            return Ok(Outcome::Ready(running));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Outcome::Late)
}

/// The server of this cluster, if it takes connections.
pub(crate) fn ready(data: &Path) -> Option<Running> {
    let running = process::running(data).filter(|running| running.state == State::Ready)?;
    let socket = format!("{}/.s.PGSQL.{}", running.socket_dir, running.port);
    UnixStream::connect(socket).ok().map(|_| running)
}

/// Waits for a server that another process started or is stopping: until it is ready, or gone.
pub(crate) fn settle(data: &Path, deadline: Instant) -> Option<Running> {
    while process::running(data).is_some() && Instant::now() < deadline {
        if let Some(running) = ready(data) {
            return Some(running);
        }
        std::thread::sleep(PAUSE);
    }
    ready(data)
}

/// Ends a server that does not become ready, and collects it.
fn end(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        let _ = kill_process(pid, Signal::QUIT);
    }
    let patience = Instant::now() + Duration::from_secs(5);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < patience {
        std::thread::sleep(PAUSE);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn open_log(folder: &Folder) -> Result<File> {
    let path = folder.log();
    if fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_LIMIT) {
        fs::rename(&path, path.with_extension("log.old")).at("set aside", &path)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(&path).at("open the log", &path)
}

/// What was logged since this start, at most its last 2,000 bytes.
fn tail(folder: &Folder, from: u64) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(folder.log()) {
        let length = file.metadata().map_or(0, |meta| meta.len());
        let _ = file.seek(SeekFrom::Start(from.max(length.saturating_sub(2_000))));
        let _ = file.read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).trim().to_owned()
}
