//! How much one row, one statement and one message hold. All sizes in bytes unless a name says otherwise.

use std::error::Error;
use std::fmt;

pub(crate) use omniq_core::CALL_BYTES;

/// A message: PostgreSQL refuses one of a gigabyte and closes the connection.
pub(crate) const MESSAGE_BYTES: usize = 1_000_000_000;

/// The payloads or values of a statement in a transaction of the user, whose driver may write each byte as two digits.
pub(crate) const RAW_BYTES: usize = 400_000_000;

/// The record of such a statement: the server's JSON holds 256 MiB.
pub(crate) const RECORD_BYTES: usize = 200_000_000;

/// The payloads of a segment, or the values of a result segment: a claim or a read of one task reads the whole row.
pub(crate) const SEGMENT_BYTES: usize = 128 * 1024;

/// The tasks of a segment.
pub(crate) const SEGMENT_TASKS: usize = 1_000;

/// A statement whose parameters are too large together; nothing of it was sent.
#[derive(Debug)]
pub(crate) struct TooLarge(pub(crate) usize);

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        write!(
            f,
            "what one call sends has {bytes} bytes or more: PostgreSQL takes at most {MESSAGE_BYTES} at a time; send less in each of several calls"
        )
    }
}

impl Error for TooLarge {}
