//! Rows of `schedules`, and the records of the functions that save and tick.

use jiff::Timestamp;
use omniq_core::{Error, PlannedTicks, Result, SavedSchedule, Schedule, TaskId, Tick};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::definition::Definition;
use crate::sql::jsonb::Jsonb;
use crate::sql::time::Time;
use crate::sql::{Columns, json, jsonb};
use crate::transaction::record::TaskRecord;

/// A row of `schedules`, whose definition this program may not be able to read.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) now: Timestamp,
    pub(super) name: String,
    app: Option<String>,
    version: i32,
    created_at: Timestamp,
    anchor: Timestamp,
    pub(super) next_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    last_task: Option<TaskId>,
    runs: u64,
    paused_at: Option<Timestamp>,
    schedule: Result<Schedule>,
}

impl Stored {
    /// Reads `schedule_columns.sql`.
    pub(super) fn read(row: &Row) -> Result<Self> {
        let mut columns = Columns::new(row);
        let now = columns.take::<Time>()?.0;
        let (name, app): (String, Option<String>) = (columns.take()?, columns.take()?);
        let version = columns.take()?;
        let (created_at, anchor) = (columns.take::<Time>()?.0, columns.take::<Time>()?.0);
        let (next_at, last_at) = (columns.time()?, columns.time()?);
        let last_task = columns.take::<Option<Uuid>>()?.map(TaskId::from);
        let runs = u64::try_from(columns.take::<i64>()?).unwrap_or(0);
        let paused_at = columns.time()?;
        let definition: Jsonb<'_> = columns.take()?;
        let payload: &[u8] = columns.take()?;
        let schedule =
            Definition::read(definition.text()).and_then(|read| read.schedule(name.clone(), payload));
        let schedule = schedule.map_err(|error| error.context(format!("schedule {name:?}")));
        Ok(Self {
            now,
            name,
            app,
            version,
            created_at,
            anchor,
            next_at,
            last_at,
            last_task,
            runs,
            paused_at,
            schedule,
        })
    }

    /// Error if the definition cannot be read.
    pub(super) fn saved(&self) -> Result<SavedSchedule> {
        self.with(self.schedule.clone()?)
    }

    /// The same with this definition.
    fn with(&self, schedule: Schedule) -> Result<SavedSchedule> {
        let mut saved = SavedSchedule::new(schedule, self.app.clone(), self.created_at)?;
        (saved.version, saved.created_at, saved.anchor) = (self.version, self.created_at, self.anchor);
        (saved.next_at, saved.last_at, saved.paused_at) = (self.next_at, self.last_at, self.paused_at);
        (saved.last_task, saved.runs) = (self.last_task, self.runs);
        Ok(saved)
    }

    /// With another definition, and whether its anchor and next tick are new. One that cannot be read is replaced as if its timing were another.
    fn with_definition(&self, schedule: Schedule, now: Timestamp) -> Result<(SavedSchedule, bool)> {
        if let Ok(saved) = self.saved() {
            return saved.with_definition(schedule, now);
        }
        let fresh = SavedSchedule::new(schedule.clone(), self.app.clone(), now)?;
        let mut saved = self.with(schedule)?;
        (saved.version, saved.anchor) = (self.version.wrapping_add(1), fresh.anchor);
        saved.next_at = fresh.next_at;
        Ok((saved, true))
    }
}

/// Reads the answer of `tick_schedules.sql`.
pub(super) fn ticked(row: &Row) -> Result<Tick> {
    let mut columns = Columns::new(row);
    let schedule: String = columns.take()?;
    tick(&schedule, columns.take::<Time>()?.0, false, &mut columns)
}

/// Reads a row of `schedule_history.sql`.
pub(super) fn noted(schedule: &str, row: &Row) -> Result<Tick> {
    let mut columns = Columns::new(row);
    let (at, manual) = (columns.take::<Time>()?.0, columns.take()?);
    tick(schedule, at, manual, &mut columns)
}

fn tick(schedule: &str, at: Timestamp, manual: bool, columns: &mut Columns<'_>) -> Result<Tick> {
    let task: Option<Uuid> = columns.take()?;
    let skipped: Option<&str> = columns.take()?;
    let enqueued = task.map(TaskId::from).ok_or(skipped.unwrap_or_default());
    Ok(Tick::new(schedule, at, manual, enqueued))
}

/// What `save_schedules()` takes: schedules that are new or have changed.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<Record>,
    pub(super) payloads: Vec<Vec<u8>>,
}

#[derive(Debug, Serialize)]
struct Record {
    name: String,
    app: Option<String>,
    version: Option<i32>,
    definition: Definition,
    times: bool,
    created_at: String,
    anchor: String,
    next_at: Option<String>,
}

impl Batch {
    /// Adds a schedule, unless it is there and the same; returns it as it will be stored.
    pub(super) fn add(
        &mut self,
        schedule: Schedule,
        app: Option<&str>,
        there: Option<&Stored>,
        now: Timestamp,
    ) -> Result<SavedSchedule> {
        let name = schedule.name.clone();
        if let Some(there) = there.filter(|there| there.app.as_deref() != app) {
            return Err(Error::schedule_of_another(&name, there.app.as_deref(), app));
        }
        let definition = Definition::new(&schedule)?;
        // As it is read again, so that it is compared as it is stored.
        let schedule = definition.clone().schedule(name.clone(), schedule.task.payload.bytes())?;
        let (saved, times) = match there {
            Some(there) => there.with_definition(schedule, now)?,
            None => (SavedSchedule::new(schedule, app.map(str::to_owned), now)?, true),
        };
        if there.is_none_or(|there| there.version != saved.version) {
            self.payloads.push(saved.schedule.task.payload.bytes().to_vec());
            self.records.push(Record {
                name,
                app: app.map(str::to_owned),
                version: there.map(|there| there.version),
                definition,
                times,
                created_at: saved.created_at.to_string(),
                anchor: saved.anchor.to_string(),
                next_at: saved.next_at.map(|next| next.to_string()),
            });
        }
        Ok(saved)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn text(&self) -> Result<String> {
        jsonb::text(&self.records)
    }
}

#[derive(Debug, Serialize)]
struct TicksRecord<'a> {
    name: &'a str,
    due: String,
    version: i32,
    created_at: String,
    next_at: Option<String>,
    ticks: Vec<TickRecord<'a>>,
}

#[derive(Debug, Serialize)]
struct TickRecord<'a> {
    at: String,
    task: Option<TaskRecord<'a>>,
}

/// What `tick_schedules()` takes.
pub(super) fn ticks(batch: &[PlannedTicks]) -> Result<String> {
    let records: Vec<_> = batch
        .iter()
        .map(|planned| {
            let ticks = planned.ticks.iter().map(|tick| {
                let task = tick.task.as_ref().map(TaskRecord::made).transpose()?;
                Ok(TickRecord { at: tick.at.to_string(), task })
            });
            Ok(TicksRecord {
                name: &planned.name,
                due: planned.due.to_string(),
                version: planned.version,
                created_at: planned.created_at.to_string(),
                next_at: planned.next_at.map(|next| next.to_string()),
                ticks: ticks.collect::<Result<_>>()?,
            })
        })
        .collect::<Result<_>>()?;
    json(&records)
}
