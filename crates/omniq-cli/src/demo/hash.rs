//! The handler: reads a file once, and returns its SHA-256, size and lines.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use omniq::{Context, Failure};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::file::{Facts, FilePath};

/// The name by which the handler is registered.
pub const FUNC: &str = "hash_file";

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

pub fn hash_file(file: FilePath, context: Context) -> Result<Facts, Failure> {
    let path = file.to_path();
    let opened = open(&path).map_err(|error| failure("open", &file, &error))?;
    BUFFER.with_borrow_mut(|buffer| read(opened, file, buffer, &context))
}

/// Does not follow a link and does not wait for a pipe's writer, because either may have replaced the file.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn read(mut opened: File, file: FilePath, buffer: &mut [u8], context: &Context) -> Result<Facts, Failure> {
    let meta = opened.metadata().map_err(|error| failure("look at", &file, &error))?;
    if !meta.is_file() {
        return Err(Failure::fatal("not_a_file", format!("{:?} is no regular file any more", file.path)));
    }
    let mut hash = Sha256::new();
    let (mut size, mut lines) = (0, 0);
    loop {
        let count = match opened.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failure("read", &file, &error)),
        };
        let part = &buffer[..count];
        hash.update(part);
        size += count as u64;
        lines += part.iter().filter(|byte| **byte == b'\n').count() as u64;
        if context.is_cancelled() {
            return Err(Failure::error("stopped", "told to stop in the middle of the file"));
        }
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Facts { file, size, lines, sha256, device: meta.dev(), inode: meta.ino() })
}

/// Only errors that may pass by themselves are worth another run.
fn failure(what: &str, file: &FilePath, error: &io::Error) -> Failure {
    let message = format!("cannot {what} {:?}: {error}", file.path);
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::STALE | Errno::TIMEDOUT) => {
            Failure::error("busy", message)
        }
        Some(Errno::NOENT | Errno::NOTDIR) => Failure::fatal("not_found", message),
        Some(Errno::ACCESS | Errno::PERM) => Failure::fatal("permission_denied", message),
        // A link (`LOOP`) or a socket (`NXIO`) has replaced the file. The caller detects a pipe by its metadata.
        Some(Errno::LOOP | Errno::NXIO) => Failure::fatal("not_a_file", message),
        _ => Failure::fatal("unreadable", message),
    }
}
