//! Gathers the results of tasks that were settled together into rows: results that share everything but their values are one row.

use jiff::Timestamp;
use omniq_core::{Codec, Payload, TaskResult};

use super::Bitmap;
use crate::sizes::SEGMENT_BYTES;

/// The fewest results of a row of several: fewer cost less as rows of one, and a read of one result reads the whole row.
const FEWEST: usize = 8;
/// The most offsets for each result of a row. An offset without a result costs a bit, and time when the row is read.
const MOST_SPARSE: usize = 4;
/// The most rows that are filled at the same time, for results of several kinds in turn.
const MOST_OPEN: usize = 4;

/// Results that are stored as one row.
#[derive(Debug)]
pub(crate) enum ResultRow<'a> {
    One(&'a TaskResult),
    /// `shared` is the first result. `mask` and `values` begin at its offset.
    Many {
        shared: &'a TaskResult,
        finished_at: Timestamp,
        codec: Option<&'a Codec>,
        mask: Bitmap,
        values: Vec<Option<&'a [u8]>>,
    },
}

/// Gathers the results of a group. They are given with the offsets of their tasks, each offset once. Returns the rows, each with the
/// offset of its first task.
pub(crate) fn gather<'a>(mut results: Vec<(usize, &'a TaskResult)>) -> Vec<(usize, ResultRow<'a>)> {
    if results.len() < FEWEST {
        return results.into_iter().map(|(offset, result)| (offset, ResultRow::One(result))).collect();
    }
    results.sort_by_key(|(offset, _)| *offset);
    let (mut open, mut rows): (Vec<Open<'a>>, _) = (Vec::new(), Vec::new());
    for (offset, result) in results {
        match open.iter().position(|row| row.takes(offset, result)) {
            Some(found) => open[found].push(offset, result),
            None => {
                if open.len() == MOST_OPEN {
                    open.remove(0).close(&mut rows);
                }
                open.push(Open::new(offset, result));
            }
        }
    }
    open.into_iter().for_each(|row| row.close(&mut rows));
    rows
}

#[derive(Debug)]
struct Open<'a> {
    codec: Option<&'a Codec>,
    bytes: usize,
    results: Vec<(usize, &'a TaskResult)>,
}

fn size(result: &TaskResult) -> usize {
    result.value.as_ref().map_or(0, |value| value.bytes().len())
}

fn number(result: &TaskResult) -> u128 {
    result.task_id.as_uuid().as_u128()
}

fn codec(result: &TaskResult) -> Option<&Codec> {
    result.value.as_ref().map(Payload::codec)
}

impl<'a> Open<'a> {
    fn new(offset: usize, result: &'a TaskResult) -> Self {
        Self { codec: codec(result), bytes: size(result), results: vec![(offset, result)] }
    }

    /// Whether this result fits into the row.
    fn takes(&self, offset: usize, result: &TaskResult) -> bool {
        let (first, one) = &self.results[0];
        let codecs = (self.codec, codec(result));
        (self.results.len() + 1) * MOST_SPARSE > offset - first
            && self.bytes + size(result) <= SEGMENT_BYTES
            // A result without a value has no codec, and fits any codec.
            && (codecs.0.is_none() || codecs.1.is_none() || codecs.0 == codecs.1)
            && one.status == result.status
            && one.attempt == result.attempt
            && one.ttl == result.ttl
            && one.started_at == result.started_at
            && one.enqueued_at == result.enqueued_at
            && one.queue == result.queue
            && one.func == result.func
            && one.worker == result.worker
            && one.error == result.error
            && one.metadata == result.metadata
            && one.args == result.args
            && number(result).wrapping_sub(number(one)) == (offset - first) as u128
    }

    fn push(&mut self, offset: usize, result: &'a TaskResult) {
        self.codec = self.codec.or(codec(result));
        self.bytes += size(result);
        self.results.push((offset, result));
    }

    fn close(self, rows: &mut Vec<(usize, ResultRow<'a>)>) {
        if self.results.len() < FEWEST {
            rows.extend(self.results.into_iter().map(|(offset, result)| (offset, ResultRow::One(result))));
            return;
        }
        let (first, shared) = self.results[0];
        let span = self.results[self.results.len() - 1].0 - first + 1;
        let latest = self.results.iter().map(|(_, result)| result.finished_at).max();
        let (mut mask, mut values) = (Bitmap::zeros(span), vec![None; span]);
        for (offset, result) in self.results {
            mask.set(offset - first);
            values[offset - first] = result.value.as_ref().map(|value| value.bytes().as_ref());
        }
        let finished_at = latest.unwrap_or(shared.finished_at);
        rows.push((first, ResultRow::Many { shared, finished_at, codec: self.codec, mask, values }));
    }
}
