//! Rows of several tasks: where a task stands in its run.

use uuid::Uuid;

const PLACE: u128 = 0xffff;

/// The place of a task in its run: the last 16 bits of its id.
pub(crate) fn place_of(id: Uuid) -> usize {
    (id.as_u128() & PLACE) as usize
}

/// The first id that the run of this task can have.
pub(crate) fn base_of(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() & !PLACE)
}
