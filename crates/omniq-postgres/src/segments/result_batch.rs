//! Results as PostgreSQL takes them: one array for each column.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use omniq_core::{Codec, Payload, Result, TaskResult};
use uuid::Uuid;

use super::Bitmap;
use super::results::ResultRow;
use crate::results::kept_args;
use crate::sql::time::{Time, optional};
use crate::sql::{json, seconds, signed};

/// Rows of results that are to be stored. The columns that most of them share are sent once, as a shape that each row refers to.
#[derive(Debug, Default)]
pub(crate) struct ResultBatch<'a> {
    pub(crate) ids: Vec<Uuid>,
    /// The number of each row's shape, from 1.
    pub(crate) shape_of: Vec<i32>,
    /// Which indexes have a result. For a row of one result it is a single bit.
    pub(crate) masks: Vec<Bitmap>,
    /// The values of rows of one result.
    pub(crate) values: Vec<Option<&'a [u8]>>,
    /// For a row of several results: where its values begin in `many`, from 1.
    pub(crate) starts: Vec<Option<i32>>,
    /// The values of all rows of several results, one after the other; `None` for a task without a value.
    pub(crate) many: Vec<Option<&'a [u8]>>,
    pub(crate) errors: Vec<Option<String>>,
    pub(crate) metadata: Vec<Option<String>>,
    pub(crate) enqueued: Vec<Option<Time>>,
    pub(crate) started: Vec<Option<Time>>,
    pub(crate) finished: Vec<Time>,
    pub(crate) shapes: Shapes<'a>,
    known: HashMap<Shape<'a>, i32>,
    recent: Option<(Shape<'a>, i32)>,
}

/// Shapes of results, one array per column.
#[derive(Debug, Default)]
pub(crate) struct Shapes<'a> {
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) codecs: Vec<Option<&'a str>>,
    pub(crate) queues: Vec<&'a str>,
    pub(crate) funcs: Vec<&'a str>,
    pub(crate) workers: Vec<Option<&'a str>>,
    pub(crate) attempts: Vec<i32>,
    pub(crate) ttls: Vec<Option<f64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shape<'a> {
    status: &'static str,
    codec: Option<&'a str>,
    queue: &'a str,
    func: &'a str,
    worker: Option<&'a str>,
    attempt: u32,
    ttl: Option<Duration>,
}

impl<'a> ResultBatch<'a> {
    /// Adds a result that has been checked.
    pub(crate) fn push(&mut self, result: &'a TaskResult) -> Result<()> {
        let codec = result.value.as_ref().map(Payload::codec);
        self.values.push(result.value.as_ref().map(|value| value.bytes().as_ref()));
        self.starts.push(None);
        let mut mask = Bitmap::zeros(1);
        mask.set(0);
        self.masks.push(mask);
        self.push_shared(result, codec, result.finished_at)
    }

    /// Adds a row of results that have been checked.
    pub(crate) fn push_row(&mut self, row: ResultRow<'a>) -> Result<()> {
        match row {
            ResultRow::One(result) => self.push(result),
            ResultRow::Many { shared, finished_at, codec, mask, values } => {
                self.values.push(None);
                self.starts.push(Some(self.many.len() as i32 + 1));
                self.masks.push(mask);
                self.many.extend(values);
                self.push_shared(shared, codec, finished_at)
            }
        }
    }

    fn push_shared(
        &mut self,
        result: &'a TaskResult,
        codec: Option<&'a Codec>,
        finished_at: Timestamp,
    ) -> Result<()> {
        self.ids.push(result.task_id.as_uuid());
        self.errors.push(result.error.as_ref().map(json).transpose()?);
        self.metadata.push(kept_args::metadata(result)?);
        self.enqueued.push(optional(result.enqueued_at));
        self.started.push(optional(result.started_at));
        self.finished.push(Time(finished_at));
        let shape = Shape {
            status: result.status.name(),
            codec: codec.map(Codec::name),
            queue: &result.queue,
            func: &result.func,
            worker: result.worker.as_deref(),
            attempt: result.attempt,
            ttl: result.ttl,
        };
        let number = self.number_of(shape);
        self.shape_of.push(number);
        Ok(())
    }

    fn number_of(&mut self, shape: Shape<'a>) -> i32 {
        // Most often it is the shape of the row before.
        if let Some((recent, number)) = &self.recent
            && *recent == shape
        {
            return *number;
        }
        let next = self.known.len() as i32 + 1;
        let number = *self.known.entry(shape).or_insert(next);
        if number == next {
            self.shapes.push(shape);
        }
        self.recent = Some((shape, number));
        number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The different times to live. Results without one are left out.
    pub(crate) fn ttls(&self) -> impl Iterator<Item = Duration> {
        let ttls: HashSet<_> = self.known.keys().filter_map(|shape| shape.ttl).collect();
        ttls.into_iter()
    }
}

impl<'a> Shapes<'a> {
    fn push(&mut self, shape: Shape<'a>) {
        self.statuses.push(shape.status);
        self.codecs.push(shape.codec);
        self.queues.push(shape.queue);
        self.funcs.push(shape.func);
        self.workers.push(shape.worker);
        self.attempts.push(signed(shape.attempt));
        self.ttls.push(seconds(shape.ttl));
    }
}
