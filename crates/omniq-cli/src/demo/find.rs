//! The walk through the folder. Symbolic links are not followed. Links and special files are counted and skipped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use walkdir::WalkDir;

use crate::fail::{Failure, Result};

/// How many files are enqueued in one statement.
pub const CHUNK: usize = 2000;

/// A message from the walk.
#[derive(Debug)]
pub enum Found {
    Files(Vec<PathBuf>),
    Done(Skipped),
}

/// Entries that get no task.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub links: u64,
    /// Pipes, sockets and devices.
    pub special: u64,
    /// Folders that could not be listed, with the reason.
    pub folders: Vec<(PathBuf, String)>,
}

/// The canonical path of the folder, so that all paths to it lead to the same run.
pub fn folder(path: &Path) -> Result<PathBuf> {
    let real = path
        .canonicalize()
        .map_err(|error| Failure::usage(format!("the folder {} cannot be used: {error}", path.display())))?;
    if !real.is_dir() {
        return Err(Failure::usage(format!("{} is no folder", path.display())));
    }
    Ok(real)
}

/// Walks to the end, or until the receiver is closed, and counts the files.
pub fn walk(folder: &Path, count: &AtomicU64, to: &mpsc::Sender<Found>) {
    let mut files = Vec::with_capacity(CHUNK);
    let mut skipped = Skipped::default();
    for entry in WalkDir::new(folder) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if entry.file_type().is_file() => {
                files.push(entry.into_path());
                count.fetch_add(1, Ordering::AcqRel);
            }
            Ok(entry) if entry.file_type().is_symlink() => skipped.links += 1,
            Ok(_) => skipped.special += 1,
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                skipped.folders.push((path, reason));
            }
        }
        if files.len() == CHUNK && to.blocking_send(Found::Files(std::mem::take(&mut files))).is_err() {
            return;
        }
    }
    if !files.is_empty() && to.blocking_send(Found::Files(files)).is_err() {
        return;
    }
    let _ = to.blocking_send(Found::Done(skipped));
}
