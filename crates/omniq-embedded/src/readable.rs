//! Copies of server programs for a user that cannot read the original, such as one below /root.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{At, Kind, Result};
use crate::home;
use crate::programs::Programs;

/// Returns these programs, or a copy of them that the server's user can run.
pub(crate) fn for_account(programs: Programs, account: &Account) -> Result<Programs> {
    if !account.switched || programs.run_as(account) {
        return Ok(programs);
    }
    let bin = programs.bin_dir();
    let refused = |reason: &str| Kind::Programs {
        origin: "the search for server programs",
        path: bin.into(),
        reason: format!("user `{}`, who has to run them as you are root, cannot: {reason}", account.user),
    };
    // The programs find their libraries and time zones by relative paths, so the layout must stay.
    let prefix = bin.parent().ok_or_else(|| refused("it has no parent folder"))?;
    let package = prefix.parent().ok_or_else(|| refused("it has no parent folder"))?;
    let names = (package.file_name(), prefix.file_name(), bin.file_name());
    let (Some(package_name), Some(prefix_name), Some(bin_name)) = names else {
        return Err(refused("it cannot be copied from there").into());
    };
    let cache = home::folder(account, true)?.join("programs");
    home::create(&cache, account)?;
    let target = cache.join(fingerprint(bin)?);
    if !target.exists() {
        let fresh = cache.join(format!("new-{}-{}", std::process::id(), fingerprint(bin)?));
        let inner = fresh.join(package_name);
        // Only these parts, because the folder above may hold anything, such as a whole home folder.
        for part in ["bin", "lib", "lib64", "share"].map(Path::new) {
            let source = prefix.join(part);
            if source.is_dir() {
                copy(&source, &inner.join(prefix_name).join(part))
                    .at("copy the server programs to", &fresh)?;
            }
        }
        let mut libraries = package_name.to_owned();
        libraries.push(".libs");
        let source = package.with_file_name(&libraries);
        if source.is_dir() {
            copy(&source, &fresh.join(&libraries)).at("copy the server programs to", &fresh)?;
        }
        for folder in [&fresh, &inner, &inner.join(prefix_name)] {
            set_mode(folder, 0o755).at("open to all", folder)?;
        }
        // Another process may have made the same copy first.
        if fs::rename(&fresh, &target).is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
    }
    let copied: PathBuf = [package_name, prefix_name, bin_name].iter().collect();
    let programs = Programs::in_folder(target.join(copied))?;
    if programs.run_as(account) { Ok(programs) } else { Err(refused("nor the copy in the cache").into()) }
}

/// Differs if another installation, or another release, is at the same place.
fn fingerprint(bin: &Path) -> Result<String> {
    let meta = fs::metadata(bin.join("postgres")).at("read", bin)?;
    let mut hasher = DefaultHasher::new();
    (bin, meta.len(), meta.mtime(), meta.ino()).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let meta = fs::metadata(from)?;
    if !meta.is_dir() {
        fs::copy(from, to)?;
        let run = if meta.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        return set_mode(to, run);
    }
    fs::create_dir_all(to)?;
    set_mode(to, 0o755)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
