//! The schedule storage on PostgreSQL, beside the queue that its tasks go to.

mod definition;
mod rows;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::{
    BlockingSchedules, Error, Location, Result, SavedSchedule, Schedule, ScheduleFilter, ScheduleStorage,
    TaskId, Tick,
};
use uuid::Uuid;

use self::rows::{Batch, Stored};
use crate::db::Db;
use crate::migrate::{self, Part};
use crate::settings::Settings;
use crate::sql::jsonb::JsonbText;
use crate::sql::time::{Time, optional};
use crate::sql::{Columns, Named, count_of, json};
use crate::transaction::record::TaskRecord;

/// How often a change of a schedule is tried again that others change meanwhile.
const TRIES: usize = 20;

/// The schedule storage on PostgreSQL: part of the queue in the same database and schema. Cheap to clone: clones share one pool.
#[derive(Debug, Clone)]
pub struct AsyncPostgresScheduleStorage {
    db: Arc<Db>,
}

/// The blocking twin of [`AsyncPostgresScheduleStorage`].
pub type PostgresScheduleStorage = BlockingSchedules<AsyncPostgresScheduleStorage>;

impl AsyncPostgresScheduleStorage {
    /// Connects by URL, which may hold every setting of [`Settings`]. Errors as for [`with_settings`](Self::with_settings).
    pub async fn connect(url: &str) -> Result<Self> {
        Self::with_settings(&Settings::from_url(url)?).await
    }

    /// Connects with these settings and brings the part of tasks of the schema up to date. Errors: `is_config` for settings that cannot
    /// be used, `is_unavailable` if no server can be reached within `acquire_timeout`, `is_schema_missing` if `migrate` is off and a
    /// migration is missing, `is_schema_too_new`.
    pub async fn with_settings(settings: &Settings) -> Result<Self> {
        let db = Db::open(settings).await?;
        migrate::on_connect(&[(&db, &[Part::Tasks])]).await?;
        Ok(Self::on(db))
    }

    pub(crate) fn on(db: Arc<Db>) -> Self {
        Self { db }
    }

    /// The schedules of these names that are there.
    async fn read<'n>(&self, names: impl Iterator<Item = &'n str> + Send) -> Result<HashMap<String, Stored>> {
        let names: Vec<String> = names.map(str::to_owned).collect();
        let rows = self.db.query(&self.db.sql.get_schedules, &[("names", &names)]).await?;
        let read = rows.iter().map(|row| Stored::read(row).map(|stored| (stored.name.clone(), stored)));
        read.collect()
    }

    /// The schedule of this name, and the server's time.
    async fn known(&self, name: &str) -> Result<(Timestamp, SavedSchedule)> {
        let mut found = self.read(std::iter::once(name)).await?;
        let stored = found.remove(name).ok_or_else(|| Error::no_schedule(name))?;
        Ok((stored.now, stored.saved()?))
    }

    /// What is to be saved of these schedules, and all of them as they will be stored.
    async fn prepared(
        &self,
        schedules: &[Schedule],
        app: Option<&str>,
    ) -> Result<(Batch, Vec<SavedSchedule>)> {
        let there = self.read(schedules.iter().map(|schedule| schedule.name.as_str())).await?;
        let now = match there.values().next() {
            Some(stored) => stored.now,
            None => self.server_time().await?,
        };
        let mut batch = Batch::default();
        let saved =
            schedules.iter().map(|schedule| batch.add(schedule.clone(), app, there.get(&schedule.name), now));
        let saved = saved.collect::<Result<_>>()?;
        Ok((batch, saved))
    }

    async fn server_time(&self) -> Result<Timestamp> {
        let row = self.db.one(&self.db.sql.server_time, &[("ago", &0.0_f64)]).await?;
        Ok(Columns::new(&row).take::<Time>()?.0)
    }

    fn check(&self, schedules: &[Schedule]) -> Result<()> {
        Schedule::check_all(schedules, &self.db.settings().limits())
    }
}

/// Makes a change. `None`: the schedules were not as they were read.
async fn attempted<T>(attempt: impl Future<Output = Result<Option<T>>>) -> Result<Option<T>> {
    match attempt.await {
        Err(error) if error.sqlstate() == Some("OQ007") => Ok(None),
        answer => answer,
    }
}

/// The pause before another try, random so that two that are in each other's way part.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(rand::random_range(1..20))).await;
}

/// Tries a change until the schedules are as they were read.
async fn tried<T, F: Future<Output = Result<Option<T>>>>(what: &str, attempt: impl Fn() -> F) -> Result<T> {
    for _ in 0..TRIES {
        if let Some(done) = attempted(attempt()).await? {
            return Ok(done);
        }
        rest().await;
    }
    Err(Error::conflict(format!("{what} has been changed by others at each of {TRIES} tries: try again")))
}

#[async_trait]
impl ScheduleStorage for AsyncPostgresScheduleStorage {
    async fn save_many(&self, schedules: Vec<Schedule>) -> Result<Vec<SavedSchedule>> {
        self.check(&schedules)?;
        self.db.check_open()?;
        if schedules.is_empty() {
            return Ok(Vec::new());
        }
        tried("a schedule", async || {
            let (batch, saved) = self.prepared(&schedules, None).await?;
            if !batch.is_empty() {
                let text = JsonbText(batch.text()?);
                let params: [Named<'_>; 2] = [("batch", &text), ("payloads", &batch.payloads)];
                self.db.query(&self.db.sql.save_schedules, &params).await?;
            }
            Ok(Some(saved))
        })
        .await
    }

    async fn get(&self, name: &str) -> Result<Option<SavedSchedule>> {
        self.read(std::iter::once(name)).await?.remove(name).map(|stored| stored.saved()).transpose()
    }

    async fn list(&self, filter: &ScheduleFilter) -> Result<Vec<SavedSchedule>> {
        let limit = i64::from(filter.page_size());
        let params: [Named<'_>; 5] = [
            ("app", &filter.app),
            ("func", &filter.func),
            ("paused", &filter.paused),
            ("after", &filter.after),
            ("limit", &limit),
        ];
        let rows = self.db.search(&self.db.sql.list_schedules, &params).await?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in &rows {
            match Stored::read(row)?.saved() {
                Ok(saved) => listed.push(saved),
                Err(error) => tracing::warn!(%error, "a schedule is left out of the list"),
            }
        }
        Ok(listed)
    }

    async fn delete(&self, name: &str) -> Result<bool> {
        Ok(count_of(&self.db.query(&self.db.sql.delete_schedule, &[("name", &name)]).await?)? > 0)
    }

    async fn pause(&self, name: &str) -> Result<()> {
        match count_of(&self.db.query(&self.db.sql.pause_schedule, &[("name", &name)]).await?)? {
            0 => Err(Error::no_schedule(name)),
            _ => Ok(()),
        }
    }

    async fn resume(&self, name: &str) -> Result<()> {
        tried(&format!("the schedule {name:?}"), async || {
            let (now, saved) = self.known(name).await?;
            let Some(paused_at) = saved.paused_at else { return Ok(Some(())) };
            let next = match saved.next_at {
                Some(next) if next <= now => saved.tick_after(now)?,
                next => next,
            };
            let (paused_at, next) = (Time(paused_at), optional(next));
            let params: [Named<'_>; 4] =
                [("name", &name), ("version", &saved.version), ("paused_at", &paused_at), ("next_at", &next)];
            let resumed = count_of(&self.db.query(&self.db.sql.resume_schedule, &params).await?)?;
            Ok((resumed > 0).then_some(()))
        })
        .await
    }

    async fn trigger(&self, name: &str) -> Result<TaskId> {
        tried(&format!("the schedule {name:?}"), async || {
            let (now, saved) = self.known(name).await?;
            let at = saved.tick_by_hand(now);
            let task = saved.schedule.task_by_hand(at).id(TaskId::new());
            task.check(&self.db.settings().limits())?;
            let (created_at, at) = (Time(saved.created_at), Time(at));
            let task = JsonbText(json(&TaskRecord::made(&task)?)?);
            let params: [Named<'_>; 5] = [
                ("name", &name),
                ("version", &saved.version),
                ("created_at", &created_at),
                ("at", &at),
                ("task", &task),
            ];
            let row = self.db.one(&self.db.sql.trigger_schedule, &params).await?;
            Ok(Columns::new(&row).take::<Option<Uuid>>()?.map(TaskId::from))
        })
        .await
    }

    async fn history(&self, name: &str, limit: u32) -> Result<Vec<Tick>> {
        let params: [Named<'_>; 2] = [("name", &name), ("limit", &i64::from(limit))];
        let rows = self.db.query(&self.db.sql.schedule_history, &params).await?;
        rows.iter().map(|row| rows::noted(name, row)).collect()
    }

    async fn close(&self) -> Result<()> {
        self.db.close().await;
        Ok(())
    }

    fn location(&self) -> Location {
        self.db.location()
    }
}
