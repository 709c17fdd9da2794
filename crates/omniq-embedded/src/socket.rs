//! The folder of the server's Unix socket, which must have a short and plain name.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{At, Kind, Result};
use crate::folder::Folder;

/// The whole address may have 107 bytes on Linux and 103 on macOS; `/.s.PGSQL.65535` takes 15.
const LONGEST: usize = 103 - 15;

/// Makes the folder: in the data folder, or in a private one below the temporary folder if the data
/// folder's path is too long, or has characters that separate or quote in lists of folders.
pub(crate) fn make(folder: &Folder, account: &Account) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    folder.root().hash(&mut hasher);
    let name = format!("omniq-{:016x}", hasher.finish());
    let choices =
        [folder.root().join("socket"), std::env::temp_dir().join(&name), Path::new("/tmp").join(&name)];
    let reachable = |path: &Path| path.parent().is_some_and(|parent| account.check_reach(parent).is_ok());
    let mut fitting = choices.iter().filter(|path| fits(path));
    let path = fitting.find(|path| reachable(path)).unwrap_or(&choices[2]);
    match fs::create_dir(path) {
        Ok(()) => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).at("set the mode of", path)?;
            account.give(path).at("give away", path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).at("create the socket folder", path),
    }
    // In the shared temporary folder, another user may have taken the name on purpose.
    let meta = fs::symlink_metadata(path).at("read", path)?;
    if !meta.is_dir() || meta.uid() != account.uid || meta.mode() & 0o077 != 0 {
        return Err(Kind::Foreign { path: path.clone(), owner: meta.uid(), me: account.uid }.into());
    }
    Ok(path.clone())
}

/// Removes a folder that was made outside the data folder.
pub(crate) fn remove(path: &Path, folder: &Folder) {
    let ours = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"omniq-"));
    if ours && !path.starts_with(folder.root()) {
        let _ = fs::remove_dir(path);
    }
}

fn fits(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
    bytes.len() <= LONGEST && bytes.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Path, fits};

    #[test]
    fn only_short_and_plain_paths_fit() {
        assert!(fits(Path::new("/var/lib/omniq/pg-18/socket")));
        assert!(fits(Path::new(&format!("/{}", "a".repeat(LONGEST - 1)))));
        assert!(!fits(Path::new(&format!("/{}", "a".repeat(LONGEST)))));
        for hostile in ["/a b", "/a,b", "/a'b", "/a\"b", "/ä", "/a\\b", "/a\nb"] {
            assert!(!fits(Path::new(hostile)), "{hostile}");
        }
    }
}
