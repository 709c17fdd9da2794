//! Ties an owned server to its owner: when the owner ends, the server ends.
//!
//! A shell runs beside the server and reads from a pipe that only the owner can write to. The end of the pipe means
//! that the owner has ended, even by SIGKILL. (The kernel's parent-death signal would tie the server to the one thread
//! that started it, and exists on Linux only.)

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::account::Account;

/// The server starts only after a line on its standard input, so it never runs before it is watched.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// Reads the server's pid. A second line means that all is well. The end of the pipe without it means that the owner
/// has ended, so the server is interrupted.
const WATCH: &str = r#"read -r pid && { read -r done || kill -INT "$pid"; }"#;

/// The server process and the shell that watches over it.
#[derive(Debug)]
pub(crate) struct Bond {
    server: Child,
    watcher: Watcher,
    owner: u32,
}

#[derive(Debug)]
pub(crate) struct Watcher(Child);

/// A command that waits at the gate with `program`, until [`Watcher::set`] lets it go.
pub(crate) fn command(account: &Account, program: &Path) -> Command {
    let mut command = account.command("/bin/sh");
    command.args(["-c", GATE, "sh"]).arg(program).stdin(Stdio::piped());
    command
}

impl Watcher {
    /// Starts a watcher for the process that waits at the gate, and lets that process go.
    pub(crate) fn set(account: &Account, server: &mut Child) -> io::Result<Self> {
        let mut command = account.command("/bin/sh");
        command.args(["-c", WATCH]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut watcher = Self(command.process_group(0).spawn()?);
        watcher.say(&format!("{}\n", server.id()))?;
        server.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(b"go\n"))?;
        Ok(watcher)
    }

    /// Ends the watcher, after the server has ended.
    pub(crate) fn release(mut self) {
        let _ = self.say("done\n");
        let _ = self.0.wait();
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        self.0.stdin.as_mut().map_or(Ok(()), |pipe| pipe.write_all(line.as_bytes()))
    }
}

impl Bond {
    pub(crate) fn new(server: Child, watcher: Watcher) -> Self {
        Self { server, watcher, owner: std::process::id() }
    }

    /// False in a process that was forked from the owner, which must not end the server.
    pub(crate) fn is_ours(&self) -> bool {
        self.owner == std::process::id()
    }

    /// Collects the ended server.
    pub(crate) fn release(mut self) {
        // The watcher ends first: once the server is collected, its pid may belong to another process.
        self.watcher.release();
        let _ = self.server.wait();
    }
}
