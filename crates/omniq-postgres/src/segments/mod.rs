//! Segments: rows that hold several tasks or results, and the conversion of batches into such rows and back into tasks.
//!
//! The ids of a segment's tasks differ only in their last 16 bits, the task's offset. `docs/decisions/0008-segments.md`.

mod bitmap;
pub(crate) mod decode;
pub(crate) mod enqueue;
pub(crate) mod options;
pub(crate) mod result_batch;
pub(crate) mod results;
pub(crate) mod settle;

use std::collections::BTreeMap;

use omniq_core::{Result, TaskId};
use uuid::Uuid;

pub(crate) use self::bitmap::Bitmap;
use crate::sql::Columns;

const OFFSET: u128 = 0xffff;
/// The number of ids that share a base id.
const OFFSETS: i64 = OFFSET as i64 + 1;

/// The offset of a task: the last 16 bits of its id.
pub(crate) fn offset_of(id: Uuid) -> usize {
    (id.as_u128() & OFFSET) as usize
}

/// The base id of a task: the first id that a segment with this task can have.
pub(crate) fn base_id(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() & !OFFSET)
}

/// The tasks that a row of `tasks` holds.
pub(crate) struct SegmentRow {
    /// The id of the first task.
    pub(crate) id: Uuid,
    pub(crate) count: i32,
    removed: Option<Bitmap>,
}

impl SegmentRow {
    /// Reads the columns id, count and removed.
    pub(crate) fn read(columns: &mut Columns<'_>) -> Result<Self> {
        Ok(Self { id: columns.take()?, count: columns.take()?, removed: columns.take()? })
    }

    /// Whether it counts at least one task, and its last task has the same base id as its first.
    pub(crate) fn has_one_base_id(&self) -> bool {
        (1..=OFFSETS - offset_of(self.id) as i64).contains(&i64::from(self.count))
    }

    /// The tasks that it still holds, each with its index.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (usize, TaskId)> {
        let count = i64::from(self.count).clamp(0, OFFSETS - offset_of(self.id) as i64) as usize;
        (0..count)
            .filter(|index| !self.removed.as_ref().is_some_and(|removed| removed.contains(*index)))
            .map(|index| (index, TaskId::from(Uuid::from_u128(self.id.as_u128() + index as u128))))
    }
}

/// Task ids, grouped by base id: of each group the first and the last id, and a bitmap that begins at the first.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    pub(crate) firsts: Vec<Uuid>,
    pub(crate) lasts: Vec<Uuid>,
    pub(crate) masks: Vec<Bitmap>,
}

impl Spans {
    pub(crate) fn of(ids: &[Uuid]) -> Self {
        let mut groups: BTreeMap<u128, Vec<usize>> = BTreeMap::new();
        for id in ids {
            groups.entry(base_id(*id).as_u128()).or_default().push(offset_of(*id));
        }
        let mut spans = Self::default();
        for (base, offsets) in groups {
            let first = offsets.iter().copied().min().unwrap_or_default();
            let last = offsets.iter().copied().max().unwrap_or_default();
            let mut mask = Bitmap::zeros(last - first + 1);
            offsets.iter().for_each(|offset| mask.set(offset - first));
            spans.firsts.push(Uuid::from_u128(base + first as u128));
            spans.lasts.push(Uuid::from_u128(base + last as u128));
            spans.masks.push(mask);
        }
        spans
    }
}
