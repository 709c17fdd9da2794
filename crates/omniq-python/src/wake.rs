//! A file descriptor that wakes an event loop: an eventfd on Linux, a pair of sockets elsewhere.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

#[cfg(target_os = "linux")]
mod signal {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::event::{EventfdFlags, eventfd};

    #[derive(Debug)]
    pub(super) struct Signal(OwnedFd);

    impl Signal {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
        }

        pub(super) fn reader(&self) -> &OwnedFd {
            &self.0
        }

        pub(super) fn writer(&self) -> &OwnedFd {
            &self.0
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod signal {
    use std::io;
    use std::os::unix::net::UnixStream;

    #[derive(Debug)]
    pub(super) struct Signal(UnixStream, UnixStream);

    impl Signal {
        pub(super) fn new() -> io::Result<Self> {
            let (reader, writer) = UnixStream::pair()?;
            reader.set_nonblocking(true)?;
            writer.set_nonblocking(true)?;
            Ok(Self(reader, writer))
        }

        pub(super) fn reader(&self) -> &UnixStream {
            &self.0
        }

        pub(super) fn writer(&self) -> &UnixStream {
            &self.1
        }
    }
}

/// Readable from a `set` until a `clear`. With sockets, one `clear` takes back 32 calls of `set` at most; the reader is then
/// woken again.
#[derive(Debug)]
pub(crate) struct Wake(signal::Signal);

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        signal::Signal::new().map(Self)
    }

    /// The descriptor that a loop watches for reading.
    pub(crate) fn fd(&self) -> RawFd {
        self.0.reader().as_raw_fd()
    }

    /// Wakes the reader. An error is ignored: a descriptor that is full is readable already.
    pub(crate) fn set(&self) {
        let _ = rustix::io::write(self.0.writer(), &1_u64.to_ne_bytes());
    }

    /// Reads what was written, if anything was.
    pub(crate) fn clear(&self) {
        let mut taken = [0_u8; 256];
        let _ = rustix::io::read(self.0.reader(), &mut taken);
    }
}
