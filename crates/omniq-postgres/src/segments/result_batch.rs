//! Results as PostgreSQL takes them: one array for each column.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use omniq_core::{Codec, Result, TaskResult};
use uuid::Uuid;

use super::Bitmap;
use super::results::ResultRow;
use crate::sql::time::{Time, optional};
use crate::sql::{json, object, seconds, signed};

/// Rows of results that are to be stored. The columns that most of them share are sent once, as a shape that each row refers to.
#[derive(Debug, Default)]
pub(crate) struct ResultBatch {
    pub(crate) ids: Vec<Uuid>,
    /// The number of each row's shape, from 1.
    pub(crate) shape_of: Vec<i32>,
    /// Which indexes have a result. For a row of one result it is a single bit.
    pub(crate) masks: Vec<Bitmap>,
    /// The values of rows of one result.
    values: Vec<Option<Bytes>>,
    /// For a row of several results: where its values begin in `many`, from 1.
    pub(crate) starts: Vec<Option<i32>>,
    many: Vec<Option<Bytes>>,
    pub(crate) errors: Vec<Option<String>>,
    pub(crate) metadata: Vec<Option<String>>,
    pub(crate) enqueued: Vec<Option<Time>>,
    pub(crate) started: Vec<Option<Time>>,
    pub(crate) finished: Vec<Time>,
    pub(crate) shapes: Shapes,
    known: HashMap<Shape, i32>,
    recent: Option<(Shape, i32)>,
}

/// Shapes of results, one array per column.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) codecs: Vec<Option<String>>,
    pub(crate) queues: Vec<String>,
    pub(crate) funcs: Vec<String>,
    pub(crate) workers: Vec<Option<String>>,
    pub(crate) attempts: Vec<i32>,
    pub(crate) ttls: Vec<Option<f64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    status: &'static str,
    codec: Option<Codec>,
    queue: String,
    func: String,
    worker: Option<String>,
    attempt: u32,
    ttl: Option<Duration>,
}

impl ResultBatch {
    /// Adds a result that has been checked.
    pub(crate) fn push(&mut self, mut result: TaskResult) -> Result<()> {
        let codec = result.value.as_ref().map(|value| value.codec().clone());
        self.values.push(result.value.take().map(|value| value.bytes().clone()));
        self.starts.push(None);
        let mut mask = Bitmap::zeros(1);
        mask.set(0);
        self.masks.push(mask);
        self.push_shared(result, codec)
    }

    /// Adds a row of results that have been checked.
    pub(crate) fn push_row(&mut self, row: ResultRow) -> Result<()> {
        match row {
            ResultRow::One(result) => self.push(result),
            ResultRow::Many { shared, codec, mask, values } => {
                self.values.push(None);
                self.starts.push(Some(self.many.len() as i32 + 1));
                self.masks.push(mask);
                self.many.extend(values);
                self.push_shared(shared, codec)
            }
        }
    }

    fn push_shared(&mut self, result: TaskResult, codec: Option<Codec>) -> Result<()> {
        self.ids.push(result.task_id.as_uuid());
        self.errors.push(result.error.as_ref().map(json).transpose()?);
        self.metadata.push(object(&result.metadata)?);
        self.enqueued.push(optional(result.enqueued_at));
        self.started.push(optional(result.started_at));
        self.finished.push(Time(result.finished_at));
        let shape = Shape {
            status: result.status.name(),
            codec,
            queue: result.queue,
            func: result.func,
            worker: result.worker,
            attempt: result.attempt,
            ttl: result.ttl,
        };
        let number = self.number_of(shape);
        self.shape_of.push(number);
        Ok(())
    }

    fn number_of(&mut self, shape: Shape) -> i32 {
        // Most often it is the shape of the row before.
        if let Some((recent, number)) = &self.recent
            && *recent == shape
        {
            return *number;
        }
        let next = self.known.len() as i32 + 1;
        let number = *self.known.entry(shape.clone()).or_insert(next);
        if number == next {
            self.shapes.push(shape.clone());
        }
        self.recent = Some((shape, number));
        number
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn values(&self) -> Vec<Option<&[u8]>> {
        self.values.iter().map(Option::as_deref).collect()
    }

    /// The values of all rows of several results, one after the other; `None` for a task without a value.
    pub(crate) fn many(&self) -> Vec<Option<&[u8]>> {
        self.many.iter().map(Option::as_deref).collect()
    }

    /// The different times to live. Results without one are left out.
    pub(crate) fn ttls(&self) -> impl Iterator<Item = Duration> {
        let ttls: HashSet<_> = self.known.keys().filter_map(|shape| shape.ttl).collect();
        ttls.into_iter()
    }
}

impl Shapes {
    fn push(&mut self, shape: Shape) {
        self.statuses.push(shape.status);
        self.codecs.push(shape.codec.map(|codec| codec.name().to_owned()));
        self.queues.push(shape.queue);
        self.funcs.push(shape.func);
        self.workers.push(shape.worker);
        self.attempts.push(signed(shape.attempt));
        self.ttls.push(seconds(shape.ttl));
    }
}
