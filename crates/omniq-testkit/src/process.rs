//! Child processes of a test: the test program started again, in a role.
//!
//! A program that uses them has a test `process_entry` at its root that calls [`enter`]; alone it does nothing.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

const ROLE: &str = "OMNIQ_TEST_ROLE";

/// A child process; killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// In a child, runs the role that it was started in. The test `process_entry` must call it.
pub fn enter(run: impl FnOnce(&str)) {
    let Ok(role) = std::env::var(ROLE) else { return };
    // A killed test program must not leave workers running.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    run(&role);
}

/// An argument that the parent gave to this child.
pub fn argument(name: &str) -> Option<String> {
    std::env::var(variable(name)).ok()
}

fn variable(name: &str) -> String {
    format!("OMNIQ_TEST_ARG_{}", name.to_uppercase())
}

impl Process {
    /// Starts the calling test program in a role, with arguments.
    pub fn start(role: &str, arguments: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().expect("a program knows itself");
        let child = Command::new(program)
            .args(["--exact", "process_entry", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .envs(arguments.iter().map(|(name, value)| (variable(name), value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the test program starts again");
        Self { child }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it ends at once, without a chance to clean up.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// SIGSTOP: it is suspended.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: it continues.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM: it is asked to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended by itself. Returns whether it ended well. Panics after a minute.
    pub fn join(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status.success();
            }
            assert!(Instant::now() < deadline, "the child process {} does not end", self.pid());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it runs or is suspended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a child can be signalled");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also ends a suspended process. A process that has already ended is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
