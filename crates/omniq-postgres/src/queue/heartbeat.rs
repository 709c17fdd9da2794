//! The connection of the heartbeat, which the heartbeat's own thread drives.

#[cfg(test)]
mod told;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Heartbeat, HeartbeatConnection, Result, TaskId, TaskQueue, WorkerId};
use tokio_postgres::Statement;
use uuid::Uuid;

use super::claims::Claims;
use super::lost::cancel_requests;
use crate::error::from_driver;
use crate::sql::{Columns, Named, signed};

pub(super) struct PostgresHeartbeat {
    /// Weak, so that a forgotten heartbeat does not keep a pool open.
    claims: Weak<Claims>,
    open: Option<(ClientWrapper, Option<Statement>)>,
    /// The last heartbeat's row, which the next one deletes. `None` if it is not known, as after a broken connection.
    last: Option<(WorkerId, i64)>,
    /// What the last heartbeat has named that the worker did not hold any more when it was told. What it held then is named again
    /// after it has left: only then it is known what became of it.
    told: Option<(WorkerId, Vec<TaskId>)>,
}

impl PostgresHeartbeat {
    pub(super) fn new(claims: &Arc<Claims>) -> Self {
        Self { claims: Arc::downgrade(claims), open: None, last: None, told: None }
    }

    async fn beat(&mut self, claims: &Claims, worker: WorkerId, used: Option<u32>) -> Result<Heartbeat> {
        let db = &claims.db;
        let heartbeat = &db.sql.heartbeat;
        if self.open.as_ref().is_none_or(|(client, _)| client.is_closed()) {
            let client = db.connect_for_heartbeat().await?;
            let statement = if db.sessions.keeps() {
                let prepared = client.prepare_typed(&heartbeat.text, &heartbeat.types).await;
                Some(prepared.map_err(from_driver)?)
            } else {
                None
            };
            self.open = Some((client, statement));
        }
        let Some((client, statement)) = &self.open else {
            return Err(Error::internal("the heartbeat has no connection"));
        };
        let last = self.last.take().filter(|(of, _)| *of == worker).map(|(_, beat)| beat);
        let used = used.map(signed);
        let told = self.told.iter().filter(|(of, _)| *of == worker).flat_map(|(_, ids)| ids);
        let over = told.filter(|id| !claims.tracker.holds(worker, **id));
        let over: Vec<Uuid> = over.map(TaskId::as_uuid).collect();
        let params: [Named<'_>; 4] =
            [("worker", &worker.0), ("used", &used), ("last", &last), ("over", &over)];
        let rows = match statement {
            Some(prepared) => {
                let values: Vec<_> = heartbeat.values(&params).collect();
                client.query(prepared, &values).await.map_err(from_driver)?
            }
            None => db.sessions.query(client, heartbeat, &params).await?,
        };
        let Some(row) = rows.first() else { return Ok(Heartbeat::default()) };
        let mut columns = Columns::new(row);
        let cancelled = cancel_requests(&mut columns)?;
        let gone =
            cancelled.iter().map(|asked| asked.task_id).filter(|id| !claims.tracker.holds(worker, *id));
        self.told = Some((worker, gone.collect()));
        self.last = Some((worker, columns.take()?));
        Ok(Heartbeat { alive: true, cancelled })
    }
}

#[async_trait]
impl HeartbeatConnection for PostgresHeartbeat {
    async fn heartbeat(&mut self, worker: WorkerId, used: Option<u32>) -> Result<Heartbeat> {
        let Some(claims) = self.claims.upgrade().filter(|claims| !claims.db.is_closed()) else {
            return Err(<dyn TaskQueue>::closed());
        };
        let beat = self.beat(&claims, worker, used).await;
        if beat.is_err() {
            self.open = None;
        }
        beat
    }
}
