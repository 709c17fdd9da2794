//! The event storage on PostgreSQL.

mod batch;
mod decode;
mod log;
mod log_in;
mod statement;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use omniq_core::group_commit::Calls;
use omniq_core::{
    BlockingEvents, EventFilter, EventStorage, Location, Result, TaskEvent, TransactionStatement,
};
use uuid::Uuid;

pub(crate) use self::batch::EventBatch;
use self::log::SingleEvents;
use crate::db::Db;
use crate::migrate::{self, Part};
use crate::settings::Settings;
use crate::sql::time::{Time, first_at};
use crate::sql::{Named, count_of};

/// The event storage on PostgreSQL. Cheap to clone: clones share one pool. A write waits at most a second for a lock that another session
/// holds on the events; then it fails (`is_timeout`, SQLSTATE 55P03) and has written nothing.
#[derive(Debug, Clone)]
pub struct AsyncPostgresEventStorage {
    db: Arc<Db>,
    calls: Arc<Calls<SingleEvents>>,
}

/// The blocking twin of [`AsyncPostgresEventStorage`].
pub type PostgresEventStorage = BlockingEvents<AsyncPostgresEventStorage>;

impl AsyncPostgresEventStorage {
    /// Connects by URL, which may hold every setting of [`Settings`]. Errors as for [`with_settings`](Self::with_settings).
    pub async fn connect(url: &str) -> Result<Self> {
        Self::with_settings(&Settings::from_url(url)?).await
    }

    /// Connects with these settings and brings the part of events of the schema up to date. Errors: `is_config` for settings that cannot
    /// be used, `is_unavailable` if no server can be reached within `acquire_timeout`, `is_schema_missing` if `migrate` is off and a
    /// migration is missing, `is_schema_too_new`.
    pub async fn with_settings(settings: &Settings) -> Result<Self> {
        let db = Db::open(settings).await?;
        migrate::on_connect(&[(&db, &[Part::Events])]).await?;
        Ok(Self::on(db))
    }

    pub(crate) fn on(db: Arc<Db>) -> Self {
        Self { calls: Arc::new(SingleEvents::calls(&db)), db }
    }
}

/// The filter of `event_filter.sql`, in the database's types.
struct Filter<'a> {
    task: Option<Uuid>,
    kind: Option<&'a str>,
    since: Option<Time>,
    until: Option<Time>,
}

impl<'a> Filter<'a> {
    fn new(filter: &'a EventFilter) -> Self {
        Self {
            task: filter.task_id.map(|id| id.as_uuid()),
            kind: filter.kind.as_ref().map(|kind| kind.name()),
            since: first_at(filter.since),
            until: first_at(filter.until),
        }
    }

    fn params(&'a self, filter: &'a EventFilter) -> [Named<'a>; 7] {
        [
            ("task", &self.task),
            ("kind", &self.kind),
            ("queue", &filter.queue),
            ("worker", &filter.worker),
            ("since", &self.since),
            ("until", &self.until),
            ("after", &filter.after),
        ]
    }
}

#[async_trait]
impl EventStorage for AsyncPostgresEventStorage {
    async fn log(&self, event: TaskEvent) -> Result<()> {
        event.check()?;
        self.db.check_open()?;
        self.calls.call(event).await
    }

    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()> {
        for event in &events {
            event.check()?;
        }
        self.db.check_open()?;
        log::log(&self.db, &events).await
    }

    async fn log_statement(&self, events: Vec<TaskEvent>) -> Result<TransactionStatement> {
        statement::statement(&self.db, &events).await
    }

    async fn query(&self, filter: &EventFilter) -> Result<Vec<TaskEvent>> {
        let (stated, limit) = (Filter::new(filter), i64::from(filter.page_size()));
        let statement =
            if filter.latest { &self.db.sql.query_latest_events } else { &self.db.sql.query_events };
        let mut params = stated.params(filter).to_vec();
        params.push(("limit", &limit));
        let rows = self.db.search(statement, &params).await?;
        let mut events: Vec<_> = rows.iter().map(decode::event).collect::<Result<_>>()?;
        if filter.latest {
            events.reverse();
        }
        Ok(events)
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64> {
        self.db.search_count(&self.db.sql.count_events, &Filter::new(filter).params(filter)).await
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let rows = self
            .db
            .bounded_search(
                &self.db.sql.purge_events,
                &[("before", &Time(before)), ("limit", &i64::from(limit))],
            )
            .await?;
        count_of(&rows)
    }

    async fn maintain(&self, keep: Option<Duration>) -> Result<()> {
        self.db.maintain_events(keep).await
    }

    async fn close(&self) -> Result<()> {
        self.db.close().await;
        Ok(())
    }

    fn location(&self) -> Location {
        self.db.location()
    }
}
