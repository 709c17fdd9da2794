//! The task queue on PostgreSQL. `enqueue`, `claim` and `settle` are the life of a task, each with its form in a
//! transaction of the user; the verbs that manage tasks are in
//! `by_id` and `list`.

mod by_id;
mod claim;
pub(crate) mod claim_tracker;
pub(crate) mod claims;
mod counts;
mod cursor;
mod dependencies;
pub(crate) mod duplicates;
mod enqueue;
mod enqueue_in;
mod heartbeat;
mod list;
mod lock_holders;
mod lost;
mod settle;
mod settle_in;
mod uncertain;
mod unique;
mod workers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{
    BlockingQueue, Broken, Cancelled, DatabaseId, Dequeue, EndSubscription, Enqueued, Handoff,
    HeartbeatConnection, Location, Lost, NewTask, QueueMaintenance, QueueStats, RegisteredWorker, Result,
    ScheduleStorage, SelfLease, SettleMode, Settled, Settlement, Subscription, Task, TaskFilter, TaskId,
    TaskQueue, TaskUpdate, TransactionStatement, WorkerId, WorkerInfo, WorkerQueue, check_name,
};

pub use settle_in::CompleteIn;

use self::claims::Claims;
use self::enqueue::Enqueuer;
use crate::db::Db;
use crate::handoff;
use crate::migrate::{self, Part};
use crate::schedules::AsyncPostgresScheduleStorage;
use crate::segments::decode;
use crate::settings::Settings;
use crate::sql::{Columns, Named, count_of};
use crate::wake::Wake;

/// The task queue on PostgreSQL.
///
/// Cheap to clone: clones share one pool and one worker's lease. It must be made and used within a Tokio runtime;
/// [`PostgresQueue`] is the form for code without one.
#[derive(Debug, Clone)]
pub struct AsyncPostgresQueue {
    inner: Arc<Inner>,
}

/// The blocking twin of [`AsyncPostgresQueue`].
pub type PostgresQueue = BlockingQueue<AsyncPostgresQueue>;

#[derive(Debug)]
struct Inner {
    db: Arc<Db>,
    lease: SelfLease,
    enqueuer: Enqueuer,
    claims: Arc<Claims>,
    wake: Arc<Wake>,
}

impl AsyncPostgresQueue {
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
        let claims = Claims::new(&db);
        Self {
            inner: Arc::new(Inner {
                lease: SelfLease::new(db.settings().lease),
                enqueuer: Enqueuer::new(&db, &claims.dependencies),
                claims,
                wake: Arc::new(Wake::new(&db)),
                db,
            }),
        }
    }

    pub(crate) fn wake(&self) -> &Arc<Wake> {
        &self.inner.wake
    }

    fn db(&self) -> &Arc<Db> {
        &self.inner.db
    }

    /// After a verb that may have ended tasks that others wait for.
    async fn advance(&self) {
        self.inner.claims.dependencies.advance_perhaps(self.db()).await;
    }

    async fn explained<T>(&self, answer: Result<T>) -> Result<T> {
        migrate::explained(self.db(), answer).await
    }
}

#[async_trait]
impl TaskQueue for AsyncPostgresQueue {
    async fn enqueue(&self, task: NewTask) -> Result<TaskId> {
        self.explained(self.inner.enqueuer.one(Box::new(task), false).await).await
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        Ok(self.enqueue_unique_many(tasks).await?.into_iter().map(Enqueued::id).collect())
    }

    async fn enqueue_unique_many(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        self.explained(self.inner.enqueuer.many(tasks, false).await).await
    }

    fn logs_enqueues(&self, events: &Location) -> bool {
        *events == self.location()
    }

    async fn enqueue_logged(&self, mut tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        let added = match tasks.pop() {
            Some(task) if tasks.is_empty() && task.unique.is_none() && task.after.is_none() => {
                self.inner.enqueuer.one(Box::new(task), true).await.map(|id| vec![Enqueued::New(id)])
            }
            last => {
                tasks.extend(last);
                self.inner.enqueuer.many(tasks, true).await
            }
        };
        self.explained(added).await
    }

    async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        self.explained(self.inner.claims.settle(batch, mode).await).await
    }

    async fn enqueue_statement(
        &self,
        tasks: Vec<NewTask>,
        stale: Option<DatabaseId>,
    ) -> Result<(TransactionStatement, Vec<TaskId>)> {
        self.inner.enqueuer.statement(&tasks, stale.as_ref()).await
    }

    async fn settle_statement(&self, batch: &[Settlement], mode: SettleMode) -> Result<TransactionStatement> {
        self.explained(self.inner.claims.settle_statement(batch, mode).await).await
    }

    async fn cancel_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        let cancelled = by_id::cancel(&self.inner.claims, ids).await;
        self.advance().await;
        cancelled
    }

    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        by_id::stop(&self.inner.claims, ids).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        Ok(by_id::get(self.db(), &[id]).await?.pop())
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        let found: HashMap<TaskId, Task> =
            by_id::get(self.db(), ids).await?.into_iter().map(|task| (task.id, task)).collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn predecessors(&self, id: TaskId) -> Result<Vec<TaskId>> {
        dependencies::predecessors(self.db(), id).await
    }

    async fn update(&self, id: TaskId, change: TaskUpdate) -> Result<Task> {
        by_id::update(&self.inner.claims, id, change).await
    }

    async fn retry_many(&self, ids: &[TaskId]) -> Result<()> {
        let retried = by_id::retry(&self.inner.claims, ids).await;
        self.advance().await;
        retried
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<()> {
        let deleted = by_id::delete(&self.inner.claims, ids).await;
        self.advance().await;
        deleted
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        list::list(self.db(), filter).await
    }

    async fn last_seq(&self) -> Result<Option<i64>> {
        list::last_seq(self.db()).await.map(Some)
    }

    async fn count(&self, filter: &TaskFilter) -> Result<u64> {
        list::count(self.db(), filter).await
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64> {
        let purged = list::purge(self.db(), filter).await;
        self.advance().await;
        purged
    }

    async fn retry_all(&self, filter: &TaskFilter) -> Result<u64> {
        let retried =
            list::in_pages(self.db(), &self.db().sql.retry_all, &filter.for_retry()?, "retried").await;
        self.advance().await;
        retried
    }

    async fn delete_all(&self, filter: &TaskFilter) -> Result<u64> {
        let filters = std::slice::from_ref(filter);
        let removed = list::in_pages(self.db(), &self.db().sql.delete_all, filters, "removed").await;
        self.advance().await;
        removed
    }

    async fn workers(&self) -> Result<Vec<RegisteredWorker>> {
        workers::list(self.db()).await
    }

    async fn prune(&self, limit: u32) -> Result<u64> {
        let seconds = |ttl: Option<Duration>| ttl.map(|ttl| ttl.as_secs_f64());
        let settings = self.db().settings();
        let (completed, dead) = (seconds(settings.completed_ttl), seconds(settings.dead_ttl));
        let limit = i64::from(limit);
        let params: [Named<'_>; 3] =
            [("completed_after", &completed), ("dead_after", &dead), ("limit", &limit)];
        let pruned = count_of(&self.db().bounded(&self.db().sql.prune, &params).await?)?;
        counts::changed(self.db());
        Ok(pruned)
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        check_name("queue name", queue)?;
        self.db().query(&self.db().sql.pause, &[("queue", &queue)]).await.map(drop)
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        check_name("queue name", queue)?;
        self.db().query(&self.db().sql.resume, &[("queue", &queue)]).await.map(drop)
    }

    async fn queues(&self) -> Result<Vec<QueueStats>> {
        let rows = self.db().query(&self.db().sql.queues, &[]).await?;
        let mut queues = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::new(row);
            let mut queue =
                QueueStats { name: columns.take()?, paused: columns.take()?, ..QueueStats::default() };
            for figure in [
                &mut queue.ready,
                &mut queue.scheduled,
                &mut queue.running,
                &mut queue.dead,
                &mut queue.completed,
                &mut queue.blocked,
            ] {
                *figure = columns.take::<i64>()?.cast_unsigned();
            }
            queues.push(queue);
        }
        Ok(queues)
    }

    async fn close(&self) -> Result<()> {
        let mut outcome = Ok(());
        if !self.db().is_closed()
            && let Some(worker) = self.inner.lease.take().await
        {
            outcome = self.deregister_worker(worker).await.map(drop);
        }
        self.inner.wake.stop().await;
        self.db().close().await;
        // A server that is away cannot end the lease now; the tasks come back when the lease ends.
        outcome.or_else(|error| if error.is_transient() { Ok(()) } else { Err(error) })
    }

    fn ends(&self) -> Option<Box<dyn EndSubscription>> {
        self.inner.wake.ends()
    }

    fn schedules(&self) -> Option<Arc<dyn ScheduleStorage>> {
        Some(Arc::new(AsyncPostgresScheduleStorage::on(Arc::clone(self.db()))))
    }

    fn location(&self) -> Location {
        self.db().location()
    }
}

#[async_trait]
impl WorkerQueue for AsyncPostgresQueue {
    fn self_lease(&self) -> &SelfLease {
        &self.inner.lease
    }

    fn heartbeat_connection(&self) -> Box<dyn HeartbeatConnection> {
        Box::new(heartbeat::PostgresHeartbeat::new(&self.inner.claims))
    }

    async fn register_worker(&self, info: &WorkerInfo) -> Result<WorkerId> {
        workers::register(self.db(), info).await
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Result<u64> {
        handoff::end(&self.inner.wake, &self.inner.claims.tracker, worker).await;
        self.inner.claims.deregister(worker).await
    }

    async fn claim(&self, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        self.explained(self.inner.claims.claim(worker, request).await).await
    }

    async fn subscribe(&self, worker: WorkerId, queues: &[String]) -> Result<Box<dyn Subscription>> {
        self.inner.wake.subscribe(worker, queues).await
    }

    fn handoff(&self, worker: WorkerId, funcs: &[String]) -> Box<dyn Handoff> {
        Box::new(handoff::begin(&self.inner.wake, &self.inner.claims, worker, funcs))
    }
}

#[async_trait]
impl QueueMaintenance for AsyncPostgresQueue {
    async fn lost(&self, limit: u32) -> Result<Vec<Lost>> {
        lost::lost(&self.inner.claims, limit).await
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Task>> {
        let rows = self.db().bounded(&self.db().sql.expired, &[("limit", &i64::from(limit))]).await?;
        decode::tasks(&rows)
    }

    fn has_broken(&self) -> bool {
        self.inner.claims.dependencies.has_broken()
    }

    async fn broken(&self, limit: u32) -> Result<Vec<Broken>> {
        dependencies::broken(self.db(), limit).await
    }

    async fn maintain(&self) -> Result<()> {
        counts::roll_up(self.db()).await?;
        unique::clean_up(self.db()).await?;
        self.inner.claims.dependencies.maintain(self.db()).await
    }
}
