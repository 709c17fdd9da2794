//! The task queue on PostgreSQL: each verb is one statement of `sql/queries`.

mod chosen;
mod claim;
mod complete;
mod cursor;
mod doorbell;
mod enqueue;
mod filtered;
mod fold;
mod handover;
mod held;
mod holders;
mod lost;
mod place;
mod pulse;
mod settle;
mod together;
mod unsure;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{
    BlockingQueue, Cancelled, Completion, Dequeue, Doorbell, Handover, LeaseCell, Limits, Location, Lost,
    NewTask, Place, Pulse, QueueStats, Result, SettleMode, Settled, Settlement, Task, TaskFilter, TaskId,
    TaskQueue, TaskUpdate, WorkerId, WorkerInfo, check_name,
};
use tokio::sync::Mutex;
use tokio_postgres::Row;
use uuid::Uuid;

pub use complete::CompleteIn;
pub use enqueue::EnqueueTarget;

use crate::db::{Db, Param};
use crate::hands::Hands;
use crate::listener::Listener;
use crate::migrate::{self, Part};
use crate::rows::{self, Columns};
use crate::settings::Settings;
use cursor::Cursors;
use held::Held;
use holders::Holders;
use place::Places;
use together::Together;

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
    limits: Limits,
    keep_completed: bool,
    lease: LeaseCell,
    listener: Mutex<Option<Listener>>,
    held: Held,
    holders: Holders,
    hands: Hands,
    cursors: Cursors,
    /// Those without and those with `enqueued` events; of both the second is for ids of the user's own, which may wait for an open
    /// transaction that has used the same id.
    together: [[Arc<Together>; 2]; 2],
    places: Places,
}

impl AsyncPostgresQueue {
    /// Connects by URL and brings the schema `omniq` up to date; see [`Settings`] for all that can be set in the URL.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::with_settings(&Settings::from_url(url)?).await
    }

    /// Connects with these settings.
    pub async fn with_settings(settings: &Settings) -> Result<Self> {
        let db = Db::open(settings).await?;
        migrate::on_connect(&db, &[Part::Tasks]).await?;
        Ok(Self::on(db))
    }

    pub(crate) fn on(db: Arc<Db>) -> Self {
        let settings = db.settings();
        let (limits, keep_completed, lease) = (settings.limits(), settings.keep_completed, settings.lease);
        Self {
            inner: Arc::new(Inner {
                db,
                limits,
                keep_completed,
                lease: LeaseCell::new(lease),
                listener: Mutex::new(None),
                held: Held::default(),
                holders: Holders::default(),
                hands: Hands::default(),
                cursors: Cursors::default(),
                together: [false, true].map(|logged| [Together::new(logged), Together::new(logged)]),
                places: Places::default(),
            }),
        }
    }

    fn db(&self) -> &Arc<Db> {
        &self.inner.db
    }
}

/// The answer of a statement that counts.
pub(crate) fn count_of(rows: &[Row]) -> Result<u64> {
    rows.first().map_or(Ok(0), |row| Columns::new(row).take::<i64>().map(i64::cast_unsigned))
}

fn uuids(ids: &[TaskId]) -> Vec<Uuid> {
    ids.iter().map(TaskId::as_uuid).collect()
}

#[async_trait]
impl TaskQueue for AsyncPostgresQueue {
    async fn enqueue(&self, task: NewTask) -> Result<TaskId> {
        enqueue::one(self, task, false).await
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        enqueue::many(self, tasks, false).await
    }

    fn logs_enqueues(&self, events: &Location) -> bool {
        *events == self.location()
    }

    async fn enqueue_logged(&self, mut tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        match tasks.pop() {
            Some(task) if tasks.is_empty() => Ok(vec![enqueue::one(self, task, true).await?]),
            last => {
                tasks.extend(last);
                enqueue::many(self, tasks, true).await
            }
        }
    }

    async fn settle(&self, batch: Vec<Settlement>, mode: SettleMode) -> Result<Vec<Settled>> {
        settle::settle(self, batch, mode).await
    }

    async fn completion(
        &self,
        settlement: Settlement,
        elsewhere: Option<&'static str>,
    ) -> Result<Completion> {
        complete::prepare(self, settlement, elsewhere).await
    }

    async fn place(&self, known: Option<Place>) -> Result<Place> {
        self.inner.places.get(self.db(), known.as_ref()).await
    }

    async fn cancel_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        chosen::cancel(self, ids, true).await
    }

    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        chosen::cancel(self, ids, false).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        let rows = self.db().query(&self.db().sql.get, &[&vec![id.as_uuid()]]).await?;
        Ok(rows::tasks(&rows)?.pop())
    }

    async fn update(&self, id: TaskId, change: TaskUpdate) -> Result<Task> {
        chosen::update(self, id, change).await
    }

    async fn retry_many(&self, ids: &[TaskId]) -> Result<()> {
        chosen::retry(self, ids).await
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<()> {
        chosen::delete(self, ids).await
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        filtered::list(self, filter).await
    }

    async fn count(&self, filter: &TaskFilter) -> Result<u64> {
        filtered::count(self, filter).await
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64> {
        filtered::purge(self, filter).await
    }

    async fn prune(&self, limit: u32) -> Result<u64> {
        let seconds = |ttl: Option<Duration>| ttl.map(|ttl| ttl.as_secs_f64());
        let settings = self.db().settings();
        let (completed, dead) = (seconds(settings.completed_ttl), seconds(settings.dead_ttl));
        let params: [Param<'_>; 3] = [&completed, &dead, &i64::from(limit)];
        let pruned = count_of(&self.db().bounded(&self.db().sql.prune, &params).await?)?;
        fold::changed(self.db());
        Ok(pruned)
    }

    async fn pause(&self, queue: &str) -> Result<()> {
        check_name("queue name", queue)?;
        self.db().query(&self.db().sql.pause, &[&queue]).await.map(drop)
    }

    async fn resume(&self, queue: &str) -> Result<()> {
        check_name("queue name", queue)?;
        self.db().query(&self.db().sql.resume, &[&queue]).await.map(drop)
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
        if let Some(listener) = self.inner.listener.lock().await.take() {
            listener.stop().await;
        }
        self.db().close().await;
        // A server that is away has no lease to give back; the tasks return by its end.
        outcome.or_else(|error| if error.is_transient() { Ok(()) } else { Err(error) })
    }

    fn location(&self) -> Location {
        self.db().location()
    }

    fn lease(&self) -> &LeaseCell {
        &self.inner.lease
    }

    fn pulse(&self) -> Box<dyn Pulse> {
        Box::new(pulse::PostgresPulse::new(self.db()))
    }

    async fn register_worker(&self, info: &WorkerInfo) -> Result<WorkerId> {
        info.check()?;
        let lease = info.lease.as_secs_f64();
        let row = self.db().one(&self.db().sql.register_worker, &[&info.name, &info.queues, &lease]).await?;
        Columns::new(&row).take().map(WorkerId)
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Result<u64> {
        claim::deregister(self, worker).await
    }

    async fn claim(&self, worker: WorkerId, request: &Dequeue) -> Result<Vec<Task>> {
        claim::claim(self, worker, request).await
    }

    async fn doorbell(&self, worker: WorkerId, queues: &[String]) -> Result<Box<dyn Doorbell>> {
        doorbell::hang(self, worker, queues).await
    }

    fn handover(&self, worker: WorkerId, funcs: &[String]) -> Box<dyn Handover> {
        Box::new(handover::begin(self, worker, funcs))
    }

    async fn lost(&self, limit: u32) -> Result<Vec<Lost>> {
        lost::lost(self, limit).await
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Task>> {
        let rows = self.db().bounded(&self.db().sql.expired, &[&i64::from(limit)]).await?;
        rows::tasks(&rows)
    }

    async fn maintain(&self) -> Result<()> {
        fold::fold(self.db()).await
    }
}
