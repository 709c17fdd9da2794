//! What workers call: ticks, and the schedules in their code.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::{DueSchedules, PlannedTicks, Result, Schedule, Tick, WorkerId, WorkerSchedules, check_name};

use super::rows::Stored;
use super::{AsyncPostgresScheduleStorage, attempted, rest, rows};
use crate::sql::jsonb::JsonbText;
use crate::sql::time::optional;
use crate::sql::{Columns, Named};

#[async_trait]
impl WorkerSchedules for AsyncPostgresScheduleStorage {
    async fn next_tick(&self, after: Option<Timestamp>) -> Result<Option<Duration>> {
        let after = optional(after);
        let rows = self.db.query(&self.db.sql.next_tick, &[("after", &after)]).await?;
        let seconds = rows.first().map(|row| Columns::new(row).take::<f64>()).transpose()?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
    }

    async fn due(&self, after: Option<(Timestamp, String)>, limit: u32) -> Result<DueSchedules> {
        let (after_at, after_name) = after.unzip();
        let after_at = optional(after_at);
        let params: [Named<'_>; 3] =
            [("after_at", &after_at), ("after_name", &after_name), ("limit", &i64::from(limit))];
        let rows = self.db.query(&self.db.sql.due_schedules, &params).await?;
        let mut due =
            DueSchedules { now: Timestamp::now(), schedules: Vec::new(), unreadable: Vec::new(), next: None };
        for row in &rows {
            let stored = Stored::read(row)?;
            due.now = stored.now;
            match stored.saved() {
                Ok(saved) => due.schedules.push(saved),
                Err(error) => due.unreadable.push((stored.name.clone(), error.to_string())),
            }
            due.next = stored.next_at.map(|next| (next, stored.name));
        }
        due.next = due.next.filter(|_| rows.len() == limit as usize);
        Ok(due)
    }

    async fn tick(&self, batch: &[PlannedTicks]) -> Result<Vec<Tick>> {
        // Other programs write schedules, too.
        let limits = self.db.settings().limits();
        let tasks = batch.iter().flat_map(|planned| &planned.ticks).filter_map(|tick| tick.task.as_ref());
        tasks.into_iter().try_for_each(|task| task.check(&limits))?;
        let text = JsonbText(rows::ticks(batch)?);
        let ticked = self.db.query(&self.db.sql.tick_schedules, &[("batch", &text)]).await?;
        ticked.iter().map(rows::ticked).collect()
    }

    async fn declare(&self, worker: WorkerId, app: &str, schedules: Vec<Schedule>) -> Result<()> {
        check_name("application name", app)?;
        self.check(&schedules)?;
        let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        let attempt = async || {
            let (batch, _) = self.prepared(&schedules, Some(app)).await?;
            let text = JsonbText(batch.text()?);
            let params: [Named<'_>; 5] = [
                ("worker", &worker.0),
                ("app", &app),
                ("names", &names),
                ("batch", &text),
                ("payloads", &batch.payloads),
            ];
            self.db.bounded(&self.db.sql.declare_schedules, &params).await.map(|_| Some(()))
        };
        // Without end: what is in the way of one declaration is another one, which was made.
        while attempted(attempt()).await?.is_none() {
            rest().await;
        }
        Ok(())
    }

    async fn remove_undeclared(&self) -> Result<u64> {
        let row = self.db.bounded(&self.db.sql.remove_undeclared, &[]).await?;
        crate::sql::count_of(&row)
    }
}
