//! The result storage on PostgreSQL.

mod decode;
mod fetch;
pub(crate) mod kept_args;
pub(crate) mod statement;
mod store;
mod store_in;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{
    BlockingResults, EndSubscription, Location, Result, ResultFilter, ResultStorage, TaskId, TaskResult,
    TransactionStatement, error_type,
};
use uuid::Uuid;

pub(crate) use self::fetch::fetch;
use crate::db::Db;
use crate::migrate::{self, Part};
use crate::segments::Spans;
use crate::settings::Settings;
use crate::sql::time::{Time, first_at, optional};
use crate::sql::{Columns, Named, count_of};
use crate::wake::Wake;

/// The result storage on PostgreSQL. Cheap to clone: clones share one pool.
#[derive(Debug, Clone)]
pub struct AsyncPostgresResultStorage {
    db: Arc<Db>,
    wake: Arc<Wake>,
}

/// The blocking twin of [`AsyncPostgresResultStorage`].
pub type PostgresResultStorage = BlockingResults<AsyncPostgresResultStorage>;

impl AsyncPostgresResultStorage {
    /// Connects by URL, which may hold every setting of [`Settings`]. Errors as for [`with_settings`](Self::with_settings).
    pub async fn connect(url: &str) -> Result<Self> {
        Self::with_settings(&Settings::from_url(url)?).await
    }

    /// Connects with these settings and brings the part of results of the schema up to date. Errors: `is_config` for settings that cannot
    /// be used, `is_unavailable` if no server can be reached within `acquire_timeout`, `is_schema_missing` if `migrate` is off and a
    /// migration is missing, `is_schema_too_new`.
    pub async fn with_settings(settings: &Settings) -> Result<Self> {
        let db = Db::open(settings).await?;
        migrate::on_connect(&[(&db, &[Part::Results])]).await?;
        let wake = Arc::new(Wake::new(&db));
        Ok(Self::on(db, wake))
    }

    fn checked(&self, result: TaskResult) -> Result<TaskResult> {
        self.db.settings().limits().check_result(&result)?;
        result.checked()
    }

    /// On a database, and on what listens to it: one connection, whatever shares it.
    pub(crate) fn on(db: Arc<Db>, wake: Arc<Wake>) -> Self {
        Self { db, wake }
    }
}

/// The filter of `result_filter.sql`, in the database's types.
struct Filter<'a> {
    status: Option<&'static str>,
    error: Option<&'a str>,
    error_start: Option<&'a str>,
    since: Option<Time>,
    until: Option<Time>,
    after: Option<Time>,
    after_id: Option<Uuid>,
}

impl<'f> Filter<'f> {
    fn new(filter: &'f ResultFilter) -> Self {
        let (error, error_start) = error_type(filter.error.as_ref());
        Self {
            error,
            error_start,
            status: filter.status.map(|status| status.name()),
            since: first_at(filter.since),
            until: first_at(filter.until),
            after: optional(filter.after.map(|(time, _)| time)),
            after_id: filter.after.map(|(_, id)| id.as_uuid()),
        }
    }

    fn params<'a>(&'a self, filter: &'a ResultFilter) -> [Named<'a>; 9] {
        [
            ("status", &self.status),
            ("queue", &filter.queue),
            ("func", &filter.func),
            ("error", &self.error),
            ("error_start", &self.error_start),
            ("since", &self.since),
            ("until", &self.until),
            ("after", &self.after),
            ("after_id", &self.after_id),
        ]
    }
}

#[async_trait]
impl ResultStorage for AsyncPostgresResultStorage {
    async fn store_many(&self, results: Vec<TaskResult>) -> Result<()> {
        let results: Vec<_> =
            results.into_iter().map(|result| self.checked(result)).collect::<Result<_>>()?;
        self.db.check_open()?;
        store::store(&self.db, &results).await
    }

    async fn store_statement(&self, results: Vec<TaskResult>) -> Result<TransactionStatement> {
        let results: Vec<_> =
            results.into_iter().map(|result| self.checked(result)).collect::<Result<_>>()?;
        statement::statement(&self.db, &results).await
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        let uuids: Vec<Uuid> = ids.iter().map(TaskId::as_uuid).collect();
        let found: HashMap<TaskId, TaskResult> =
            fetch(&self.db, &uuids).await?.into_iter().map(|result| (result.task_id, result)).collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<u64> {
        let uuids: Vec<Uuid> = ids.iter().map(TaskId::as_uuid).collect();
        let Spans { firsts, masks, .. } = Spans::of(&uuids);
        let row = self.db.one(&self.db.sql.delete_results, &[("firsts", &firsts), ("masks", &masks)]).await?;
        Columns::new(&row).take::<i64>().map(i64::cast_unsigned)
    }

    async fn list(&self, filter: &ResultFilter) -> Result<Vec<TaskResult>> {
        let stated = Filter::new(filter);
        let limit = i64::from(filter.page_size());
        let mut params = stated.params(filter).to_vec();
        params.push(("limit", &limit));
        let rows = self.db.search(&self.db.sql.list_results, &params).await?;
        rows.iter().map(decode::result).collect()
    }

    async fn count(&self, filter: &ResultFilter) -> Result<u64> {
        let stated = Filter::new(filter);
        let params = stated.params(filter);
        self.db.search_count(&self.db.sql.count_results, &params).await
    }

    async fn purge_expired(&self, limit: u32) -> Result<u64> {
        count_of(&self.db.bounded_search(&self.db.sql.purge_results, &[("limit", &i64::from(limit))]).await?)
    }

    async fn maintain(&self, keep: Option<Duration>) -> Result<()> {
        self.db.maintain_results(keep).await
    }

    async fn close(&self) -> Result<()> {
        self.wake.stop().await;
        self.db.close().await;
        Ok(())
    }

    fn ends(&self) -> Option<Box<dyn EndSubscription>> {
        self.wake.ends()
    }

    fn location(&self) -> Location {
        self.db.location()
    }
}
