//! Gathers tasks that are enqueued into segments: tasks that share everything but their payloads are one row.

use std::borrow::Borrow;
use std::collections::HashMap;

use bytes::Bytes;
use omniq_core::{Error, Limits, NewTask, Result, TaskId, check_after};
use uuid::Uuid;

use super::options::Options;
use crate::sizes::{CALL_BYTES, SEGMENT_BYTES, SEGMENT_TASKS};
use crate::sql::Param;
use crate::sql::{Named, object, seconds, signed};

/// A shorter segment costs more as a statement of its own than its tasks do as single rows in a statement with others.
const FEWEST: usize = 4;

/// The pieces of a batch, in the order in which they are sent. Tasks of one queue and priority keep the order in which they were given.
#[derive(Debug)]
pub(crate) struct EnqueueBatch<'t> {
    pub(crate) ids: Vec<TaskId>,
    pub(crate) pieces: Vec<Piece<'t>>,
}

#[derive(Debug)]
pub(crate) enum Piece<'t> {
    Segment(Segment<'t>),
    Rows(Rows),
    /// Tasks of which some are unique.
    Unique(Rows),
    /// Tasks of which some run after others: all of the call.
    Linked(Rows),
}

#[derive(Debug)]
struct Open<'t> {
    shape: &'t NewTask,
    payloads: Vec<&'t [u8]>,
    bytes: usize,
    /// The index of each task in the batch.
    ranks: Vec<usize>,
}

impl<'t> EnqueueBatch<'t> {
    pub(crate) fn new(tasks: &'t [NewTask], limits: &Limits) -> Result<Self> {
        for task in tasks {
            task.check(limits)?;
        }
        check_after(tasks)?;
        Self::of_checked(tasks)
    }

    pub(crate) fn of_checked(tasks: &'t [impl Borrow<NewTask>]) -> Result<Self> {
        if tasks.iter().any(|task| task.borrow().after.is_some()) {
            return Self::of_linked(tasks);
        }
        if tasks.iter().any(|task| task.borrow().unique.is_some()) {
            return Self::of_unique(tasks);
        }
        let mut ids = vec![TaskId::from(Uuid::nil()); tasks.len()];
        let segments = gather(tasks);
        let only = segments.len() == 1;
        let mut pieces = Vec::new();
        for segment in segments {
            let base = segment.shape.id.unwrap_or_else(TaskId::new);
            for (place, rank) in segment.ranks.iter().enumerate() {
                ids[*rank] = TaskId::from(Uuid::from_u128(base.as_uuid().as_u128() + place as u128));
            }
            // An id that the user chose may be in use: only the function for rows looks for it within segments.
            if segment.shape.id.is_none() && (only || segment.payloads.len() >= FEWEST) {
                pieces.push(Piece::Segment(Segment::new(base, segment.shape, segment.payloads)?));
            } else {
                if !matches!(pieces.last(), Some(Piece::Rows(rows)) if rows.bytes < CALL_BYTES) {
                    pieces.push(Piece::Rows(Rows::default()));
                }
                if let Some(Piece::Rows(rows)) = pieces.last_mut() {
                    for rank in segment.ranks {
                        rows.push(ids[rank], tasks[rank].borrow())?;
                    }
                }
            }
        }
        Ok(Self { ids, pieces })
    }

    /// Of tasks of which some are unique: each has a row of its own.
    fn of_unique(tasks: &[impl Borrow<NewTask>]) -> Result<Self> {
        let (mut ids, mut pieces) = (Vec::with_capacity(tasks.len()), Vec::new());
        let mut rows = Rows::default();
        for task in tasks.iter().map(Borrow::borrow) {
            let id = task.id.unwrap_or_else(TaskId::new);
            ids.push(id);
            if rows.bytes >= CALL_BYTES {
                pieces.push(Piece::Unique(std::mem::take(&mut rows)));
            }
            rows.push(id, task)?;
        }
        pieces.push(Piece::Unique(rows));
        Ok(Self { ids, pieces })
    }

    /// Of tasks of which some run after others: each has a row of its own, and one statement adds all, as it has to know them.
    fn of_linked(tasks: &[impl Borrow<NewTask>]) -> Result<Self> {
        let ids: Vec<TaskId> =
            tasks.iter().map(|task| task.borrow().id.unwrap_or_else(TaskId::new)).collect();
        let mut rows = Rows::default();
        for ((task, id), options) in tasks.iter().zip(&ids).zip(Options::texts(tasks)?) {
            rows.push_with(*id, task.borrow(), options)?;
        }
        if rows.bytes > CALL_BYTES {
            return Err(Error::invalid(format!(
                "tasks of which some run after others have {} bytes of arguments together: one call takes at most {CALL_BYTES}; enqueue those \
                 that run first by a call of their own",
                rows.bytes
            )));
        }
        Ok(Self { ids, pieces: vec![Piece::Linked(rows)] })
    }

    /// Whether some of its tasks run after others. Then all are in one piece of that kind.
    pub(crate) fn is_linked(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Linked(_)))
    }

    /// Whether some of its tasks are unique. Then all are in pieces of that kind.
    pub(crate) fn is_unique(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Unique(_)))
    }
}

/// Segments in the order in which they are written. Only the last segment of a queue and priority grows, so that the order within
/// them is kept.
fn gather(tasks: &[impl Borrow<NewTask>]) -> Vec<Open<'_>> {
    let mut segments: Vec<Open<'_>> = Vec::new();
    let mut last: HashMap<(&str, i16), usize> = HashMap::new();
    let mut recent: Option<usize> = None;
    for (rank, task) in tasks.iter().map(Borrow::borrow).enumerate() {
        let payload: &[u8] = task.payload.bytes();
        let bytes = payload.len();
        let fits = |segment: &Open<'_>| {
            segment.payloads.len() < SEGMENT_TASKS
                && segment.bytes + bytes <= SEGMENT_BYTES
                && segment.shape.is_alike(task)
        };
        // Most often a task belongs to the segment of the one before.
        let place = match recent {
            Some(place) if fits(&segments[place]) => Some(place),
            _ => last
                .get(&(task.queue.as_str(), task.priority))
                .copied()
                .filter(|place| fits(&segments[*place])),
        };
        if let Some(place) = place {
            let segment = &mut segments[place];
            segment.payloads.push(payload);
            segment.ranks.push(rank);
            segment.bytes += bytes;
            recent = Some(place);
        } else {
            last.insert((&task.queue, task.priority), segments.len());
            recent = Some(segments.len());
            segments.push(Open { shape: task, payloads: vec![payload], bytes, ranks: vec![rank] });
        }
    }
    segments
}

/// The parameters of `enqueue_segment.sql` and `enqueue_one.sql`.
#[derive(Debug)]
pub(crate) struct Segment<'t> {
    pub(crate) id: Uuid,
    pub(crate) queue: &'t str,
    pub(crate) func: &'t str,
    pub(crate) codec: &'t str,
    payloads: Vec<&'t [u8]>,
    pub(crate) priority: i16,
    pub(crate) max_retries: i32,
    pub(crate) run_at: Option<String>,
    pub(crate) delay: Option<f64>,
    pub(crate) ttl: Option<f64>,
    pub(crate) options: Option<String>,
    pub(crate) metadata: Option<String>,
}

impl<'t> Segment<'t> {
    fn new(id: TaskId, shape: &'t NewTask, payloads: Vec<&'t [u8]>) -> Result<Self> {
        Ok(Self {
            id: id.as_uuid(),
            options: Options::text(shape)?,
            metadata: object(&shape.metadata)?,
            codec: shape.payload.codec().name(),
            queue: &shape.queue,
            func: &shape.func,
            payloads,
            priority: shape.priority,
            max_retries: signed(shape.max_retries),
            run_at: shape.run_at.map(|time| time.to_string()),
            delay: seconds(shape.delay),
            ttl: seconds(shape.ttl),
        })
    }

    pub(crate) fn payloads(&self) -> Vec<&'t [u8]> {
        self.payloads.clone()
    }

    pub(crate) fn params<'a>(&'a self, payloads: Param<'a>) -> Vec<Named<'a>> {
        vec![
            ("id", &self.id),
            ("queue", &self.queue),
            ("func", &self.func),
            ("codec", &self.codec),
            ("payloads", payloads),
            ("priority", &self.priority),
            ("max_retries", &self.max_retries),
            ("run_at", &self.run_at),
            ("delay", &self.delay),
            ("ttl", &self.ttl),
            ("options", &self.options),
            ("metadata", &self.metadata),
        ]
    }
}

/// The parameters of `enqueue_many.sql`: one array per column.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) queues: Vec<String>,
    pub(crate) funcs: Vec<String>,
    pub(crate) codecs: Vec<String>,
    payloads: Vec<Bytes>,
    bytes: usize,
    pub(crate) priorities: Vec<i16>,
    pub(crate) max_retries: Vec<i32>,
    pub(crate) run_ats: Vec<Option<String>>,
    pub(crate) delays: Vec<Option<f64>>,
    pub(crate) ttls: Vec<Option<f64>>,
    pub(crate) options: Vec<Option<String>>,
    pub(crate) metadata: Vec<Option<String>>,
    /// Whether the user chose the id.
    pub(crate) chosen: Vec<bool>,
}

impl Rows {
    fn push(&mut self, id: TaskId, task: &NewTask) -> Result<()> {
        self.push_with(id, task, Options::text(task)?)
    }

    fn push_with(&mut self, id: TaskId, task: &NewTask, options: Option<String>) -> Result<()> {
        let payload = task.payload.bytes().clone();
        self.ids.push(id.as_uuid());
        self.queues.push(task.queue.clone());
        self.funcs.push(task.func.clone());
        self.codecs.push(task.payload.codec().name().to_owned());
        self.bytes += payload.len();
        self.payloads.push(payload);
        self.priorities.push(task.priority);
        self.max_retries.push(signed(task.max_retries));
        self.run_ats.push(task.run_at.map(|time| time.to_string()));
        self.delays.push(seconds(task.delay));
        self.ttls.push(seconds(task.ttl));
        self.options.push(options);
        self.metadata.push(object(&task.metadata)?);
        self.chosen.push(task.is_id_chosen());
        Ok(())
    }

    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.payloads.iter().map(AsRef::as_ref).collect()
    }

    pub(crate) fn params<'a>(&'a self, payloads: Param<'a>) -> Vec<Named<'a>> {
        vec![
            ("ids", &self.ids),
            ("queues", &self.queues),
            ("funcs", &self.funcs),
            ("codecs", &self.codecs),
            ("payloads", payloads),
            ("priorities", &self.priorities),
            ("max_retries", &self.max_retries),
            ("run_ats", &self.run_ats),
            ("delays", &self.delays),
            ("ttls", &self.ttls),
            ("options", &self.options),
            ("metadata", &self.metadata),
            ("chosen", &self.chosen),
        ]
    }
}

#[cfg(test)]
mod tests {
    use omniq_core::{Codec, Payload};

    use super::*;

    fn tasks(count: usize, bytes: usize) -> Vec<NewTask> {
        let payload = Payload::new(Codec::Raw, vec![0; bytes]);
        (0..count).map(|_| NewTask::with_payload("f", payload.clone())).collect()
    }

    /// Found by a newcomer: 70 tasks of 16 MB were one message of more than a gigabyte, on which the server closed the connection.
    #[test]
    fn large_arguments_are_sent_in_several_statements() {
        let tasks = tasks(10, CALL_BYTES / 4);
        let batch = EnqueueBatch::of_checked(&tasks).unwrap();
        let counts: Vec<_> = batch
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Rows(rows) => rows.ids.len(),
                _ => panic!("large ones stand alone"),
            })
            .collect();
        assert_eq!(counts, [4, 4, 2]);
    }
}
