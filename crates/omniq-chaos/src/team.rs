//! The processes of the load: started, and started again when one has ended.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fallible::Fallible;
use crate::orders::{Orders, Role, VARIABLE};

/// How many task numbers one life of a process may use.
const NUMBERS: u64 = 1_000_000;

#[derive(Debug)]
pub struct Member {
    pub name: String,
    orders: Orders,
    child: Child,
    lives: u64,
}

#[derive(Debug)]
pub struct Team {
    pub members: Vec<Member>,
    logs: PathBuf,
    next: u64,
    /// Unexpected ends, and ends with an error.
    pub complaints: Vec<String>,
}

impl Team {
    pub fn new(logs: PathBuf) -> Self {
        Self { members: Vec::new(), logs, next: 0, complaints: Vec::new() }
    }

    /// Adds a process; `orders.who` is its name.
    pub fn add(&mut self, orders: Orders) -> Fallible {
        let name = orders.who.clone();
        let mut orders = Orders { who: format!("{name}#1"), ..orders };
        let child = self.start(&mut orders)?;
        self.members.push(Member { name, orders, child, lives: 1 });
        Ok(())
    }

    fn start(&mut self, orders: &mut Orders) -> Fallible<Child> {
        self.next += NUMBERS;
        orders.first = self.next;
        let log = File::create(self.logs.join(format!("{}.log", orders.who)))?;
        // Ctrl-C in the terminal ends the run, and the processes end with it.
        Ok(Command::new(std::env::current_exe()?)
            .env(VARIABLE, serde_json::to_string(orders)?)
            .env("OMNIQ_LOG_LEVEL", "info")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?)
    }

    /// The indexes of the members with one of these roles.
    pub fn of(&self, roles: &[Role]) -> Vec<usize> {
        (0..self.members.len()).filter(|place| roles.contains(&self.members[*place].orders.role)).collect()
    }

    /// The name of the current life in the history.
    pub fn who(&self, place: usize) -> String {
        self.members[place].orders.who.clone()
    }

    pub fn signal(&self, place: usize, signal: Signal) {
        // A signal to a process that has ended is ignored.
        let pid = i32::try_from(self.members[place].child.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// Kills a process and waits until it has ended.
    pub fn kill(&mut self, place: usize) {
        let _ = self.members[place].child.kill();
        let _ = self.members[place].child.wait();
    }

    /// Starts the next life of a member.
    pub fn revive(&mut self, place: usize) -> Fallible {
        let mut orders = self.members[place].orders.clone();
        let lives = self.members[place].lives + 1;
        orders.who = format!("{}#{lives}", self.members[place].name);
        orders.seed = orders.seed.wrapping_add(1);
        let child = self.start(&mut orders)?;
        let member = &mut self.members[place];
        (member.orders, member.child, member.lives) = (orders, child, lives);
        Ok(())
    }

    /// Logs each process that has ended by itself as a complaint, and starts it again. Members that a fault concerns
    /// are left to that fault.
    pub fn mend(&mut self, busy: &[usize]) -> Fallible {
        for place in (0..self.members.len()).filter(|place| !busy.contains(place)) {
            if let Ok(Some(status)) = self.members[place].child.try_wait() {
                self.complain(place, status);
                self.revive(place)?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, place: usize, status: ExitStatus) {
        let who = self.who(place);
        let code = status.code().map(|code| format!("code {code}"));
        let how = code.or(status.signal().map(|number| format!("signal {number}"))).unwrap_or_default();
        self.complaints.push(format!("{who} ended by itself or not well: {how}, see {who}.log"));
    }

    pub fn has_ended(&mut self, place: usize) -> bool {
        !matches!(self.members[place].child.try_wait(), Ok(None))
    }

    /// Checks a process that was signalled to stop `waited` ago. It should have ended, and well; if it still runs, it
    /// is killed.
    pub fn judge_end(&mut self, place: usize, waited: Duration) {
        match self.members[place].child.try_wait() {
            Ok(Some(status)) if status.success() => {}
            // It had not started its work yet.
            Ok(Some(status)) if status.signal() == Some(Signal::TERM.as_raw()) => {}
            Ok(Some(status)) => self.complain(place, status),
            _ => {
                let who = self.who(place);
                self.complaints.push(format!("{who} did not end within {waited:?} of SIGTERM"));
                self.kill(place);
            }
        }
    }

    /// Signals all members with these roles to stop, and waits for them.
    pub async fn dismiss(&mut self, roles: &[Role], within: Duration) {
        let (places, begun) = (self.of(roles), Instant::now());
        for place in &places {
            self.signal(*place, Signal::TERM);
        }
        while begun.elapsed() < within && !places.iter().all(|place| self.has_ended(*place)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for place in places {
            self.judge_end(place, begun.elapsed());
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}
