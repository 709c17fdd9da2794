//! An enqueue whose answer was lost. Its ids show whether it was carried out.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use omniq_core::{Error, Result};
use uuid::Uuid;

use crate::db::Db;
use crate::db::patience::Patience;
use crate::results;
use crate::segments::decode;
use crate::segments::enqueue::{EnqueueBatch, Piece};
use crate::settings::Placement;
use crate::sql::Columns;
use crate::sql::time::Time;

/// The most by which the clocks of a server and its successor may differ.
const SKEW: Duration = Duration::from_millis(100);

/// The outcome of such an enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// All of it was carried out: it is one statement, or one transaction.
    Done,
    /// Nothing was carried out, and it may be sent again: an id that is written meanwhile is refused as a duplicate.
    Nothing,
    /// One of its ids was already in use.
    Duplicate(Uuid),
    /// It cannot be known.
    Unknown,
}

/// An enqueue that may have been carried out.
pub(super) struct Uncertain<'a> {
    batch: &'a EnqueueBatch<'a>,
    /// The ids that the user chose, which other calls may have used, too. The other ids were made for this call: if one of them is there,
    /// this call has added it.
    chosen: HashSet<Uuid>,
    began: Instant,
}

/// A task, or only its result, that was found under an id.
struct Trace {
    added: Timestamp,
    /// `false`: the task is gone, and its result was found.
    is_task: bool,
}

impl<'a> Uncertain<'a> {
    pub(super) fn new(batch: &'a EnqueueBatch<'a>, began: Instant) -> Self {
        let mut chosen = HashSet::new();
        for piece in &batch.pieces {
            if let Piece::Rows(rows) | Piece::Unique(rows) | Piece::Linked(rows) = piece {
                let ids = rows.ids.iter().zip(&rows.chosen).filter(|(_, chosen)| **chosen);
                chosen.extend(ids.map(|(id, _)| *id));
            }
        }
        Self { batch, chosen, began }
    }

    /// Whether all ids were made for this call.
    pub(super) fn is_all_made(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Looks for the ids. A task whose id the user chose counts as this call's if it was added since the call began.
    pub(super) async fn look(&self, db: &Db, patience: &mut Patience) -> Result<Found> {
        let there = match self.find(db, patience).await {
            Ok(there) => there,
            // A role that may enqueue need not be allowed to read. An id that was made for this call is refused if it is there.
            Err(error) if error.is_permission_denied() => {
                return Ok(if self.is_all_made() { Found::Nothing } else { Found::Unknown });
            }
            Err(error) => return Err(error),
        };
        if there.keys().any(|id| !self.chosen.contains(id)) {
            return Ok(Found::Done);
        }
        if there.is_empty() || self.chosen.len() < self.batch.ids.len() {
            return Ok(Found::Nothing);
        }
        // A task that is unique and was skipped leaves no trace, whatever has its id.
        if self.batch.is_unique() {
            return Ok(Found::Unknown);
        }
        let began = self.server_time(db, patience).await?;
        let since = there.values().filter(|trace| trace.added >= began).count();
        Ok(match since {
            0 => match there.iter().find(|(_, trace)| trace.is_task) {
                Some((id, _)) => Found::Duplicate(*id),
                // The result of an earlier task: the server refuses the next attempt for it, with its own message.
                None => Found::Nothing,
            },
            since if since == self.chosen.len() => Found::Done,
            _ => Found::Unknown,
        })
    }

    async fn find(&self, db: &Db, patience: &mut Patience) -> Result<HashMap<Uuid, Trace>> {
        let ids: Vec<_> = self.batch.ids.iter().map(|id| id.as_uuid()).collect();
        let tasks = db.query_with(patience, &db.sql.get, &[("ids", &ids)]).await?;
        let trace = |added, is_task| Trace { added, is_task };
        let tasks = decode::tasks(&tasks)?.into_iter();
        let mut there: HashMap<_, _> =
            tasks.map(|task| (task.id.as_uuid(), trace(task.created_at, true))).collect();
        if db.settings().results == Placement::Postgres && there.len() < ids.len() {
            let kept = match results::fetch(db, &ids).await {
                // A queue alone, beside which nothing keeps results.
                Err(error) if error.is_schema_missing() => Vec::new(),
                kept => kept?,
            };
            for result in kept {
                let added = result.enqueued_at.unwrap_or(Timestamp::MIN);
                there.entry(result.task_id.as_uuid()).or_insert(trace(added, false));
            }
        }
        Ok(there)
    }

    /// The server's time when this call began.
    async fn server_time(&self, db: &Db, patience: &mut Patience) -> Result<Timestamp> {
        let ago = (self.began.elapsed() + SKEW).as_secs_f64();
        let rows = db.query_with(patience, &db.sql.server_time, &[("ago", &ago)]).await?;
        let row = rows.first().ok_or_else(|| Error::internal("the server does not tell the time"))?;
        Columns::new(row).take::<Time>().map(|time| time.0)
    }
}
