//! Where embedded servers are kept if the caller names no folder, and how folders are made.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{At, Kind, Result};

/// The folder that holds the default data folders. With `make` it is created, otherwise it is only looked for.
pub(crate) fn folder(account: &Account, make: bool) -> Result<PathBuf> {
    if let Some(home) = absolute("OMNIQ_HOME") {
        return Ok(home);
    }
    let usual = if account.switched {
        // Not below /root, because the server's user cannot enter that.
        Some(PathBuf::from("/var/lib/omniq"))
    } else {
        let home = absolute("HOME").map(|home| home.join(".local/share"));
        absolute("XDG_DATA_HOME").or(home).map(|data| data.join("omniq"))
    };
    let me = rustix::process::geteuid().as_raw();
    let last = PathBuf::from(format!("/var/tmp/omniq-{me}"));
    if !make {
        let known = usual.filter(|usual| usual.is_dir() || !last.is_dir());
        return Ok(known.unwrap_or(last));
    }
    if let Some(usual) = usual.filter(|usual| create(usual, account).is_ok()) {
        return Ok(usual);
    }
    create(&last, account)?;
    Ok(last)
}

fn absolute(key: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(key).filter(|value| !value.is_empty())?);
    // A relative path would mean another folder in each working folder, and this crate's commands run in `/`.
    std::path::absolute(path).ok()
}

/// Makes a folder, and those above it that are missing, so that the server's user can pass through. Folders that
/// already exist are left as they are. The folder itself must belong to the current user, because another owner could
/// swap it.
pub(crate) fn create(folder: &Path, account: &Account) -> Result<()> {
    let folder = std::path::absolute(folder).at("find", folder)?;
    if let Some(parent) = folder.parent() {
        if !parent.is_dir() {
            create(parent, account)?;
        }
        account.check_reach(parent)?;
    }
    match fs::create_dir(&folder) {
        // The mode is set after the creation, because the umask limits the mode at creation.
        Ok(()) => open_to(&folder, account).at("set the mode of", &folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {
            let owner = fs::metadata(&folder).at("read", &folder)?.uid();
            let me = rustix::process::geteuid().as_raw();
            if owner == me { Ok(()) } else { Err(Kind::Foreign { path: folder, owner, me }.into()) }
        }
        Err(error) => Err(error).at("create the folder", &folder),
    }
}

/// Lets only the current user in, and the server's user through.
pub(crate) fn open_to(folder: &Path, account: &Account) -> io::Result<()> {
    let mode = if account.switched { 0o711 } else { 0o700 };
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
}
