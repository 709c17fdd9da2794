//! Rows of several tasks: where a task stands in its run.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::bits::Bits;

const PLACE: u128 = 0xffff;
/// How many places a run has.
pub(crate) const RUN: i64 = PLACE as i64 + 1;

/// The place of a task in its run: the last 16 bits of its id.
pub(crate) fn place_of(id: Uuid) -> usize {
    (id.as_u128() & PLACE) as usize
}

/// The first id that the run of this task can have.
pub(crate) fn base_of(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() & !PLACE)
}

/// Tasks by their runs, in the order of these: of each the first and the last one that is meant, and marks from the first on.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    pub(crate) firsts: Vec<Uuid>,
    pub(crate) lasts: Vec<Uuid>,
    pub(crate) marks: Vec<Bits>,
}

impl Spans {
    pub(crate) fn of(ids: &[Uuid]) -> Self {
        let mut runs: BTreeMap<u128, Vec<usize>> = BTreeMap::new();
        for id in ids {
            runs.entry(base_of(*id).as_u128()).or_default().push(place_of(*id));
        }
        let mut spans = Self::default();
        for (base, places) in runs {
            let first = places.iter().copied().min().unwrap_or_default();
            let last = places.iter().copied().max().unwrap_or_default();
            let mut marks = Bits::zeros(last - first + 1);
            places.iter().for_each(|place| marks.mark(place - first));
            spans.firsts.push(Uuid::from_u128(base + first as u128));
            spans.lasts.push(Uuid::from_u128(base + last as u128));
            spans.marks.push(marks);
        }
        spans
    }
}
