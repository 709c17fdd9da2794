//! A verb that concerns one task: what was asked, and whether it was done.

use crate::clock::Nanos;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Cancel,
    Delete,
    Retry,
    Update { v: u64 },
    Purge,
}

/// Whether the verb was carried out, by its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    Done,
    Requested,
    /// Refused: nothing was done.
    No,
    /// Not answered, or answered with an error that leaves it open. A purge may have met the task or not.
    Maybe,
}

#[derive(Debug, Clone, Copy)]
pub struct Act {
    pub kind: Kind,
    pub asked: Nanos,
    /// `Nanos::MAX` if it was never answered.
    pub answered: Nanos,
    pub sure: Sure,
}

impl Act {
    /// Whether it may have removed the task.
    pub fn may_remove(&self) -> bool {
        matches!(self.kind, Kind::Cancel | Kind::Delete | Kind::Purge) && self.sure != Sure::No
    }

    /// Whether it certainly removed the task while that was waiting.
    pub fn removed(&self) -> bool {
        matches!(self.kind, Kind::Cancel | Kind::Delete) && self.sure == Sure::Done
    }
}
