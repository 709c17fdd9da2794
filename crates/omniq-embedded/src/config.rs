//! The server's settings: the defaults, then the caller's, written again at each start.

use std::fs;
use std::path::Path;

use crate::error::{At, Kind, Result};
use crate::folder::Folder;

/// Room for many workers, at full durability.
const DEFAULTS: [(&str, &str); 9] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_permissions", "0700"),
    ("password_encryption", "scram-sha-256"),
    ("max_connections", "200"),
    ("shared_buffers", "128MB"),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// Settings that this crate needs to find the server again and to keep others out.
const RESERVED: [&str; 11] = [
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "listen_addresses",
    "logging_collector",
    "password_encryption",
    "port",
    "unix_socket_directories",
    "unix_socket_permissions",
];

/// Refuses what would not be one setting on one line, or would take the server out of this crate's control.
pub(crate) fn check(settings: &[(String, String)]) -> Result<()> {
    for (key, value) in settings {
        let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
        let reason = if !plain || !key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        {
            "a name has letters, digits, `_` and `.` only, and begins with a letter"
        } else if key.to_ascii_lowercase().starts_with("include") {
            "files cannot be included"
        } else if RESERVED.contains(&key.to_ascii_lowercase().as_str()) {
            "the embedded server sets it by itself"
        } else if value.contains(['\n', '\r', '\0']) {
            "its value holds a line break or a zero byte"
        } else {
            continue;
        };
        return Err(Kind::Setting { key: key.clone(), reason }.into());
    }
    Ok(())
}

pub(crate) fn write(
    folder: &Folder,
    port: u16,
    socket_dir: &Path,
    settings: &[(String, String)],
) -> Result<()> {
    let socket_dir = socket_dir.to_string_lossy();
    let mut text = String::from("# Written by omniq at each start; changes here are lost.\n");
    text += &format!("port = {port}\nunix_socket_directories = {}\n", quote(&socket_dir));
    let all = DEFAULTS.into_iter().chain(settings.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    for (key, value) in all {
        text += &format!("{key} = {}\n", quote(value));
    }
    let path = folder.settings();
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).at("write the settings", &path)?;
    // The server's user must be able to read it, whatever the umask. It holds no secret.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&path, readable).at("set the mode of", &path)
}

/// The port of the last start.
pub(crate) fn last_port(folder: &Folder) -> Option<u16> {
    let text = fs::read_to_string(folder.settings()).ok()?;
    text.lines().find_map(|line| line.strip_prefix("port = ")?.parse().ok())
}

fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{check, quote};

    #[test]
    fn values_are_quoted() {
        assert_eq!(quote(r"it's a \ value"), r"'it''s a \\ value'");
    }

    #[test]
    fn settings_that_break_out_are_refused() {
        let setting = |key: &str, value: &str| check(&[(key.into(), value.into())]);
        assert!(setting("work_mem", "64MB").is_ok());
        assert!(setting("plpgsql.extra_warnings", "all").is_ok());
        for key in ["", "1a", "a b", "a=b", "port", "PORT", "include_dir", "a\nport"] {
            assert!(setting(key, "1").is_err(), "{key:?}");
        }
        assert!(setting("work_mem", "1\nport = 1").is_err());
    }
}
