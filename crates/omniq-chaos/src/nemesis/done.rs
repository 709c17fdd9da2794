//! What a fault reports.

/// The process that the fault concerned, if it was one process, and a note.
pub(super) type Done = (Option<String>, String);
