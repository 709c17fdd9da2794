//! The argument and the result of a demo task.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The path of a file. A name need not be valid text: `bytes` is set where the text alone does not lead back to the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePath {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
}

impl From<&Path> for FilePath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self { path: text.to_owned(), bytes: None },
            None => Self {
                path: path.to_string_lossy().into_owned(),
                bytes: Some(path.as_os_str().as_bytes().to_vec()),
            },
        }
    }
}

impl FilePath {
    pub fn to_path(&self) -> PathBuf {
        match &self.bytes {
            Some(bytes) => OsString::from_vec(bytes.clone()).into(),
            None => PathBuf::from(&self.path),
        }
    }
}

/// The result of a task: the facts about its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    #[serde(flatten)]
    pub file: FilePath,
    pub size: u64,
    pub lines: u64,
    pub sha256: String,
    /// Paths with the same device and inode are one file, so they waste no space.
    pub device: u64,
    pub inode: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn every_name_comes_back_as_it_was() {
        for name in [&b"/plain"[..], "/ünï\n\t\"".as_bytes(), b"/not \xff\xfe text", b"/\x1b[31m"] {
            let path = Path::new(OsStr::from_bytes(name));
            let json = serde_json::to_string(&FilePath::from(path)).expect("a path is JSON");
            let back: FilePath = serde_json::from_str(&json).expect("it is read back");
            assert_eq!(back.to_path(), path, "{json}");
        }
    }
}
