//! The user that the server runs as: the current user, or an unprivileged one if that is root.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Kind, Result};

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) uid: u32,
    gid: u32,
    /// PostgreSQL refuses to run as root, so its processes change to `uid`.
    pub(crate) switched: bool,
}

impl Account {
    pub(crate) fn current() -> Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            let gid = rustix::process::getegid().as_raw();
            return Ok(Self { user: uid.to_string(), uid, gid, switched: false });
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"].iter().find_map(|name| lookup(&passwd, name));
        Ok(found.ok_or(Kind::NoAccount)?)
    }

    /// A command that runs as this user, without the caller's `PG…` variables and working folder.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().current_dir("/").stdin(Stdio::null());
        // Messages must be in English, because this crate searches for some of them.
        command.env("LC_ALL", "C");
        for key in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(key) {
                command.env(key, value);
            }
        }
        if self.switched {
            // std also drops root's supplementary groups here.
            command.gid(self.gid).uid(self.uid);
        }
        command
    }

    /// Makes this user the owner of a file or folder that this process made.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        if self.switched { chown(path, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Whether this user can enter a folder. The system is asked, because access lists and mount options count as well
    /// as mode bits.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder);
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().is_ok_and(|status| status.success())
    }

    /// An error that names the folder that this user cannot enter, if there is one.
    pub(crate) fn check_reach(&self, path: &Path) -> Result<()> {
        if !self.switched || self.can_enter(path) {
            return Ok(());
        }
        let mut folders: Vec<PathBuf> = path.ancestors().map(PathBuf::from).collect();
        folders.reverse();
        let blocked = folders.into_iter().find(|folder| !self.can_enter(folder));
        let blocked = blocked.unwrap_or_else(|| path.into());
        Err(Kind::Unreachable { path: path.into(), blocked, user: self.user.clone() }.into())
    }
}

fn lookup(passwd: &str, name: &str) -> Option<Account> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.first() == Some(&name))?;
    let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
    Some(Account { user: name.into(), uid, gid, switched: true })
}

#[cfg(test)]
mod tests {
    use super::lookup;

    #[test]
    fn accounts_are_read_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        let account = lookup(passwd, "nobody").expect("nobody is listed");
        assert_eq!((account.uid, account.gid), (65534, 65533));
        assert!(lookup(passwd, "postgres").is_none());
        assert!(lookup(passwd, "broken").is_none());
    }
}
