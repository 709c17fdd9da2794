//! Whether the server of a data folder runs: its pid file, checked against the process that it names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A server process, from its `postmaster.pid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    pub(crate) socket_dir: String,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Ready,
    Stopping,
}

/// The live server of this cluster. `None` also if the pid file is a leftover and its pid now belongs to another process.
pub(crate) fn running(data: &Path) -> Option<Running> {
    let file = fs::read(data.join("postmaster.pid")).ok()?;
    let found = parse(&file, data)?;
    is_server(found.pid, data).then_some(found)
}

/// Removes a pid file whose process exists but is not this cluster's server. PostgreSQL would take that process for a
/// live server and refuse to start. (It clears the other leftovers by itself.)
pub(crate) fn clear_leftover(data: &Path) {
    let path = data.join("postmaster.pid");
    let Some(pid) = fs::read(&path).ok().and_then(|file| first_pid(&file)) else {
        return;
    };
    let alive = Pid::from_raw(pid.cast_signed()).is_some_and(|pid| test_kill_process(pid).is_ok());
    if alive && !is_server(pid, data) {
        let _ = fs::remove_file(path);
    }
}

/// Sends a signal to the server of this cluster, if it is still that server.
pub(crate) fn signal(pid: u32, data: &Path, signal: Signal) {
    if let Some(target) = Pid::from_raw(pid.cast_signed()).filter(|_| is_server(pid, data)) {
        let _ = kill_process(target, signal);
    }
}

/// Whether this process is a server that was started for exactly this cluster. A pid alone proves nothing: after a
/// crash or a reboot it may belong to any process.
pub(crate) fn is_server(pid: u32, data: &Path) -> bool {
    let wanted = data.as_os_str().as_bytes();
    if Path::new("/proc/self/cmdline").exists() {
        // Empty for a process that has ended and that its parent has not collected.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        return arguments.windows(2).any(|pair| pair[0] == b"-D" && pair[1] == wanted);
    }
    let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    let Ok(output) = output else { return false };
    let wanted = [b"-D ", wanted].concat();
    output.stdout.windows(wanted.len()).any(|part| part == wanted)
}

fn first_pid(file: &[u8]) -> Option<u32> {
    std::str::from_utf8(file.split(|byte| *byte == b'\n').next()?).ok()?.trim().parse().ok()
}

fn parse(file: &[u8], data: &Path) -> Option<Running> {
    let mut lines = file.split(|byte| *byte == b'\n');
    let pid = first_pid(lines.next()?)?;
    // A folder that was copied while its server ran has the original's pid file.
    if OsStr::from_bytes(lines.next()?) != data.as_os_str() {
        return None;
    }
    let mut text = lines.skip(1).map(|line| String::from_utf8_lossy(line).trim().to_owned());
    let port = text.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let socket_dir = text.next().unwrap_or_default();
    let state = match text.nth(2).as_deref() {
        Some("ready" | "standby") => State::Ready,
        Some("stopping") => State::Stopping,
        _ => State::Starting,
    };
    Some(Running { pid, port, socket_dir, state })
}

#[cfg(test)]
mod tests {
    use super::{Path, State, is_server, parse};

    #[test]
    fn pid_files_are_read_also_half_written() {
        let data = Path::new("/d a");
        let full = "42\n/d a\n1700000000\n15433\n/tmp/s\n127.0.0.1\n  5432  7\nready   \n";
        let found = parse(full.as_bytes(), data).expect("a whole pid file");
        assert_eq!((found.pid, found.port, found.socket_dir.as_str()), (42, 15433, "/tmp/s"));
        assert_eq!(found.state, State::Ready);
        let stopping = full.replace("ready   ", "stopping");
        assert_eq!(parse(stopping.as_bytes(), data).map(|found| found.state), Some(State::Stopping));
        assert_eq!(parse(b"42\n/d a\n", data).map(|found| found.state), Some(State::Starting));
        assert_eq!(parse(full.as_bytes(), Path::new("/other")), None);
        assert_eq!(parse(b"", data), None);
    }

    #[test]
    fn another_process_is_not_the_server() {
        assert!(!is_server(std::process::id(), Path::new("/nowhere")));
    }
}
