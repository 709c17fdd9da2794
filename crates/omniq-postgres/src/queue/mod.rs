//! The task queue on PostgreSQL: each verb is one statement of `sql/queries`.

mod claim;
mod complete;
mod cursor;
mod doorbell;
mod enqueue;
mod fold;
mod handover;
mod held;
mod holders;
mod list;
mod place;
mod pulse;
mod settle;
mod together;
mod unsure;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use omniq_core::{
    BlockingQueue, Cancelled, Completion, Dequeue, Doorbell, Error, Handover, LeaseCell, Limits, Location,
    Lost, NewTask, Place, Pulse, QueueStats, Result, SettleMode, Settled, Settlement, Task, TaskFilter,
    TaskId, TaskQueue, TaskState, TaskUpdate, WorkerId, WorkerInfo, check_name,
};
use tokio::sync::Mutex;
use tokio_postgres::Row;
use uuid::Uuid;

pub use complete::CompleteIn;
pub use enqueue::EnqueueTarget;

use crate::db::{Db, Param};
use crate::hands::Hands;
use crate::jsonb::{self, JsonbText};
use crate::listener::Listener;
use crate::migrate::{self, Part};
use crate::rows::{self, Columns, state};
use crate::settings::Settings;
use crate::sql::Statement;
use crate::time::{Time, optional};
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

    /// Removes lost workers that hold nothing any more, and tells who holds up the tasks of others.
    async fn forget(&self, workers: &Vec<i64>) -> Result<()> {
        let db = self.db();
        let forgotten = db.bounded_search(&db.sql.forget_workers, &[workers]).await?;
        if count_of(&forgotten)? < workers.len() as u64 {
            let rows = db.bounded_search(&db.sql.held_up, &[workers]).await?;
            let row = rows.first().ok_or_else(|| Error::internal("a look for holders gave no answer"))?;
            let mut columns = Columns::new(row);
            let (count, names): (i64, Vec<String>) = (columns.take()?, columns.take()?);
            if count > 0 {
                self.inner.holders.tell("tasks of lost workers", count, &names);
            }
        }
        Ok(())
    }

    /// Runs a statement on tasks that stand in rows of their own by then, but for those that a worker holds.
    async fn singled_out(
        &self,
        ids: &[TaskId],
        statement: &Statement,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>> {
        let single_out: [Param<'_>; 1] = [&uuids(ids)];
        let answer =
            self.db().query_behind((&self.db().sql.single_out, &single_out), (statement, params)).await;
        self.inner.cursors.clear();
        fold::changed(self.db());
        answer
    }
}

/// The filter of `task_filter.sql`: queue, state, whether held, function. `None`: no task can be in that state.
type FilterParams<'a> = Option<(&'a Option<String>, Option<i16>, Option<bool>, &'a Option<String>)>;

fn filter_params(filter: &TaskFilter) -> FilterParams<'_> {
    let (state, held) = match filter.state {
        None => (None, None),
        Some(TaskState::Scheduled) => (Some(state::SCHEDULED), None),
        Some(TaskState::Ready) => (Some(state::READY), Some(false)),
        Some(TaskState::Running) => (Some(state::READY), Some(true)),
        Some(TaskState::Dead) => (Some(state::DEAD), None),
        Some(TaskState::Completed) => (Some(state::COMPLETED), None),
        Some(_) => return None,
    };
    Some((&filter.queue, state, held, &filter.func))
}

/// The answer of a statement that counts.
pub(crate) fn count_of(rows: &[Row]) -> Result<u64> {
    rows.first().map_or(Ok(0), |row| Columns::new(row).take::<i64>().map(i64::cast_unsigned))
}

fn uuids(ids: &[TaskId]) -> Vec<Uuid> {
    ids.iter().map(TaskId::as_uuid).collect()
}

/// Withdraws tasks that no worker holds, if that is wanted, and asks the workers of the others to stop them.
async fn cancel(queue: &AsyncPostgresQueue, ids: &[TaskId], withdraw: bool) -> Result<Vec<Cancelled>> {
    let rows = queue.singled_out(ids, &queue.db().sql.cancel, &[&uuids(ids), &withdraw]).await?;
    let row = rows.first().ok_or_else(|| Error::internal("a cancel gave no answer"))?;
    let mut columns = Columns::new(row);
    let mut answers = vec![Cancelled::NotFound; ids.len()];
    for answer in [Cancelled::Done, Cancelled::Requested] {
        for place in columns.take::<Vec<i64>>()? {
            answers[usize::try_from(place - 1).unwrap_or(0)] = answer;
        }
    }
    Ok(answers)
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
        cancel(self, ids, true).await
    }

    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        cancel(self, ids, false).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<Task>> {
        let rows = self.db().query(&self.db().sql.get, &[&vec![id.as_uuid()]]).await?;
        Ok(rows::tasks(&rows)?.pop())
    }

    async fn update(&self, id: TaskId, change: TaskUpdate) -> Result<Task> {
        change.check(&self.inner.limits)?;
        let codec = change.payload.as_ref().map(|payload| payload.codec().name().to_owned());
        let body = change.payload.as_ref().map(|payload| payload.bytes().as_ref());
        let retries = change.max_retries.map(|retries| i32::try_from(retries).unwrap_or(i32::MAX));
        let metadata = change.metadata.as_ref().map(jsonb::text).transpose()?.map(JsonbText);
        let run_at: Option<Time> = optional(change.run_at);
        let params: [Param<'_>; 8] =
            [&id.as_uuid(), &change.queue, &change.priority, &run_at, &body, &codec, &retries, &metadata];
        let rows = self.singled_out(&[id], &self.db().sql.update, &params).await?;
        rows::tasks(&rows)?.pop().ok_or_else(|| Error::internal("an update gave no task"))
    }

    async fn retry_many(&self, ids: &[TaskId]) -> Result<()> {
        self.singled_out(ids, &self.db().sql.retry, &[&uuids(ids)]).await.map(drop)
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<()> {
        self.singled_out(ids, &self.db().sql.delete, &[&uuids(ids)]).await.map(drop)
    }

    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        list::list(self, filter).await
    }

    async fn count(&self, filter: &TaskFilter) -> Result<u64> {
        let Some((queue, state, held, func)) = filter_params(filter) else { return Ok(0) };
        let sql = &self.db().sql;
        match func {
            None => {
                let row = self.db().one(&sql.count, &[queue, &state, &held]).await?;
                Columns::new(&row).take::<i64>().map(i64::cast_unsigned)
            }
            Some(_) => self.db().search_count(&sql.count_of_func, &[queue, &state, &held, func]).await,
        }
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64> {
        let Some((queue, state, held, func)) = filter_params(filter) else { return Ok(0) };
        let sql = &self.db().sql;
        let purged =
            self.db().until_none_left(&sql.purge, &sql.purge_left, &[queue, &state, &held, func]).await;
        fold::changed(self.db());
        purged
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
        let db = self.db();
        let rows = db.bounded(&db.sql.end_workers, &[]).await?;
        let workers: Vec<i64> = rows.iter().map(|row| Columns::new(row).take()).collect::<Result<_>>()?;
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        let rows = db.bounded_search(&db.sql.lost, &[&workers, &i64::from(limit)]).await?;
        if rows.is_empty() {
            self.forget(&workers).await?;
        }
        let mut lost = Vec::new();
        for row in &rows {
            let mut columns = Columns::new(row);
            let tasks = rows::run(&mut columns)?;
            let worker: String = columns.take()?;
            lost.extend(tasks.into_iter().map(|task| Lost { task, worker: worker.clone() }));
        }
        Ok(lost)
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Task>> {
        let rows = self.db().bounded(&self.db().sql.expired, &[&i64::from(limit)]).await?;
        rows::tasks(&rows)
    }

    async fn maintain(&self) -> Result<()> {
        fold::fold(self.db()).await
    }
}
