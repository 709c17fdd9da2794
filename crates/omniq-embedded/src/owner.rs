//! The bond of an owned server to its owner: when the owner is gone, so is the server.
//!
//! A shell stays beside the server and reads from a pipe that only the owner can write to. The
//! end of the pipe means that the owner has ended, even by SIGKILL. (The kernel's own parent-death
//! signal would tie the server to the one thread that started it, and exists on Linux only.)

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::account::Account;

/// The server begins only when it is told to, and thus never before it is watched.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// Learns the server's pid. A second line says that all is well, the end of the pipe that it is not.
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

/// A command that waits at the gate with `program`, to be let go by [`Watcher::set`].
pub(crate) fn command(account: &Account, program: &Path) -> Command {
    let mut command = account.command("/bin/sh");
    command.args(["-c", GATE, "sh"]).arg(program).stdin(Stdio::piped());
    command
}

impl Watcher {
    /// Sets a watcher on the process that waits at the gate, and lets that go.
    pub(crate) fn set(account: &Account, server: &mut Child) -> io::Result<Self> {
        let mut command = account.command("/bin/sh");
        command.args(["-c", WATCH]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut watcher = Self(command.process_group(0).spawn()?);
        watcher.say(&format!("{}\n", server.id()))?;
        server.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(b"go\n"))?;
        Ok(watcher)
    }

    /// Sends the watcher home, once the server has ended.
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

    /// False in a process that was forked from the owner: there the server is not ours to end.
    pub(crate) fn is_ours(&self) -> bool {
        self.owner == std::process::id()
    }

    /// Collects the ended server.
    pub(crate) fn release(mut self) {
        // Last, as its pid may go to another process once it is collected.
        self.watcher.release();
        let _ = self.server.wait();
    }
}
