//! The data folder: its layout, its lock and its password.
//!
//! The folder belongs to the current user. Only `data` and `socket` belong to the user the server runs as, so that the
//! server of another user can neither read the password nor plant files for this process to follow.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::error::{At, Kind, Result};
use crate::home;

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder as it is, or `None` if it does not exist. Nothing is created.
    pub(crate) fn existing(path: &Path) -> Option<Self> {
        path.canonicalize().ok().map(|root| Self { root })
    }

    /// Makes the folder if it is missing, and refuses one that holds other things.
    pub(crate) fn prepare(path: &Path, account: &Account) -> Result<Self> {
        if path.as_os_str().as_bytes().iter().any(|byte| b"\r\n".contains(byte)) {
            return Err(Kind::LineBreak { path: path.into() }.into());
        }
        home::create(path, account)?;
        // One spelling for all processes, whatever symbolic link or working folder the path came from.
        let root = path.canonicalize().at("find", path)?;
        let folder = Self { root };
        let mut entries = fs::read_dir(folder.root()).at("read", folder.root())?;
        if entries.next().is_some() && !folder.lock_file().exists() {
            return Err(Kind::NotEmpty { path: folder.root }.into());
        }
        home::open_to(folder.root(), account).at("set the mode of", folder.root())?;
        account.check_reach(folder.root())?;
        Ok(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The database cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The server's settings, included by its `postgresql.conf`.
    pub(crate) fn settings(&self) -> PathBuf {
        self.root.join("omniq.conf")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// The password, in the form that `psql` reads (`PGPASSFILE`).
    pub(crate) fn passfile(&self) -> PathBuf {
        self.root.join("pgpass")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Locks the folder, so that only one process at a time starts or stops the server. The lock ends when the returned
    /// file is closed, or with the process.
    pub(crate) fn lock(&self, limit: Duration) -> Result<File> {
        let path = self.lock_file();
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.at("open the lock file", &path)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(error).at("lock", &path),
                Err(TryLockError::WouldBlock) if started.elapsed() > limit => {
                    return Err(Kind::Lock { path, seconds: limit.as_secs_f64() }.into());
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(3)),
            }
        }
    }

    pub(crate) fn password(&self) -> Result<String> {
        let path = self.passfile();
        let line = fs::read_to_string(&path).at("read the password in", &path)?;
        Ok(line.trim_end().rsplit(':').next().unwrap_or_default().to_owned())
    }

    /// Makes a new random password, readable only by the current user.
    pub(crate) fn make_password(&self) -> Result<String> {
        let mut random = [0_u8; 24];
        let source = Path::new("/dev/urandom");
        File::open(source).and_then(|mut file| file.read_exact(&mut random)).at("read", source)?;
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        write_private(&self.passfile(), &format!("*:*:*:omniq:{password}\n"))?;
        Ok(password)
    }
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    // A leftover file would keep its wider mode.
    let _ = fs::remove_file(path);
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    let write = |mut file: File| file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    file.and_then(write).at("write", path)
}
