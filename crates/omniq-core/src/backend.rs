//! The queue, the results and the events in one object, and the verbs that keep them consistent.

mod cancel;
mod dependencies;
mod enqueue;
mod events;
mod ids;
#[cfg(feature = "tower")]
mod layered;
#[cfg(feature = "tower")]
mod layers;
mod missing;
mod record;
mod rest;
mod schedules;
mod settle;
mod source;
mod transaction;
mod wait;
mod wait_many;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use events::EventSink;
pub(crate) use events::LACK;
#[cfg(feature = "tower")]
pub use layered::Enqueue;
#[cfg(feature = "tower")]
pub use layers::EnqueueService;
use omniq_macros::blocking;
use record::Recorded;
pub(crate) use record::Report;
pub use wait_many::{EndedTasks, WaitMany};
use waits::Waits;

use crate::model::*;
use crate::port::{EventStorage, ResultStorage, ScheduleStorage, TaskQueue};
use crate::{Error, Result, verbs};

/// A task queue with an optional result storage and an optional event storage. Each of them may be kept in another
/// place.
///
/// Cheap to clone; all clones share the same parts. If results or events are in the queue's location, the end of a task
/// is written with them in one transaction. If results are kept elsewhere, a result is stored first and its task
/// settled afterwards: after a crash in between, the task runs again and its result is replaced.
///
/// An event that cannot be written is dropped with a warning in the log, and never fails a task. An event store
/// elsewhere delays the work by at most 2 seconds a write. If events are in the queue's location, a worker holds the
/// end of a run back for up to 15 seconds while the disk is full or the events are locked, and then settles it without
/// its event.
#[derive(Debug, Clone)]
pub struct Backend {
    queue: Arc<dyn TaskQueue>,
    results: Option<Arc<dyn ResultStorage>>,
    events: Option<EventSink>,
    result_ttl: Option<Duration>,
    event_ttl: Option<Duration>,
    keep_args: bool,
    limits: Limits,
    waits: Waits,
    /// The callbacks of all tasks.
    callbacks: Arc<[Callback]>,
    /// What is around enqueues.
    #[cfg(feature = "tower")]
    layers: Option<layered::Layers>,
}

impl Backend {
    /// How long results are kept by default: seven days.
    pub const RESULT_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

    /// How long events are kept by default: thirty days.
    pub const EVENT_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

    /// A backend with a queue alone: no results, no events.
    pub fn new(queue: Arc<dyn TaskQueue>) -> Self {
        let (result_ttl, event_ttl) = (Some(Self::RESULT_TTL), Some(Self::EVENT_TTL));
        let limits = Limits::default();
        Self {
            queue,
            results: None,
            events: None,
            result_ttl,
            event_ttl,
            keep_args: false,
            limits,
            waits: Waits::default(),
            callbacks: Arc::default(),
            #[cfg(feature = "tower")]
            layers: None,
        }
    }

    /// Turns results on.
    #[must_use]
    pub fn with_results(mut self, results: Arc<dyn ResultStorage>) -> Self {
        self.results = Some(results);
        self.waits = Waits::default();
        self
    }

    /// Turns events on.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn EventStorage>) -> Self {
        self.events = Some(EventSink::new(events, &self.queue.location()));
        self
    }

    /// Sets how long results are kept from when they are stored; `None`: without end. Default: seven days.
    #[must_use]
    pub fn with_result_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.result_ttl = ttl;
        self
    }

    /// Sets whether a result keeps the arguments of its task ([`TaskResult::args`]), so that they can be looked at when
    /// the task has left the queue. Default: false.
    #[must_use]
    pub fn with_keep_args(mut self, keep: bool) -> Self {
        self.keep_args = keep;
        self
    }

    /// Adds a callback for every task that this backend and its clones enqueue from here on, whatever callbacks it has
    /// itself. The tasks of these callbacks have none of them, so that an end is not followed by ends without end.
    #[must_use]
    pub fn with_callback(mut self, callback: Callback) -> Self {
        self.callbacks = self.callbacks.iter().cloned().chain([callback]).collect();
        self
    }

    /// Sets how long events are kept; `None`: without end. Default: thirty days. Workers remove older ones.
    #[must_use]
    pub fn with_event_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.event_ttl = ttl;
        self
    }

    /// Sets the limits of the values that tasks return, as a rule those of the queue. Default: [`Limits::default`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn result_ttl(&self) -> Option<Duration> {
        self.result_ttl
    }

    pub(crate) fn event_ttl(&self) -> Option<Duration> {
        self.event_ttl
    }

    /// The task queue.
    pub fn queue(&self) -> &Arc<dyn TaskQueue> {
        &self.queue
    }

    /// The result storage, if results are on.
    pub fn results(&self) -> Option<&Arc<dyn ResultStorage>> {
        self.results.as_ref()
    }

    /// The event storage, if events are on.
    pub fn events(&self) -> Option<&Arc<dyn EventStorage>> {
        self.events.as_ref().map(EventSink::store)
    }

    /// The schedules of the queue, if it has any.
    pub fn schedules(&self) -> Option<Arc<dyn ScheduleStorage>> {
        self.queue.schedules()
    }

    /// The schedules of the queue, or an error (`is_config`) that says that it has none.
    pub fn require_schedules(&self) -> Result<Arc<dyn ScheduleStorage>> {
        self.schedules().ok_or_else(|| {
            Error::config("this queue has no schedules: take a queue on PostgreSQL or in memory")
        })
    }

    /// The result storage, or an error (`is_config`) that says that results are off.
    pub fn require_results(&self) -> Result<&Arc<dyn ResultStorage>> {
        self.results().ok_or_else(|| {
            Error::config("results are off: configure a result storage to get or wait for results")
        })
    }

    /// The event storage, or an error (`is_config`) that says that events are off.
    pub fn require_events(&self) -> Result<&Arc<dyn EventStorage>> {
        self.events()
            .ok_or_else(|| Error::config("events are off: configure an event storage to log or query events"))
    }
}

impl From<&Self> for Backend {
    fn from(backend: &Self) -> Self {
        backend.clone()
    }
}

#[blocking(BlockingBackend)]
impl Backend {
    /// Adds a task and returns its id. The task is durable once this returns. If events are in the queue's location,
    /// the `enqueued` event is written in the same transaction; otherwise it is written afterwards, best effort.
    ///
    /// Errors: `is_invalid`; `is_duplicate` for an id that a task has, or under which a result is still stored; nothing
    /// is written then.
    pub async fn enqueue(&self, task: NewTask) -> Result<TaskId> {
        Ok(self.enqueue_unique(task).await?.id())
    }

    /// Adds a task, and says whether it was added or another one holds its key; see [`TaskQueue::enqueue_unique`].
    pub async fn enqueue_unique(&self, mut task: NewTask) -> Result<Enqueued> {
        self.add_callbacks(std::slice::from_mut(&mut task));
        #[cfg(feature = "tower")]
        if let Some(layers) = &self.layers {
            return verbs::only(layers.enqueue(vec![task]).await?);
        }
        self.enqueue_inside(task).await
    }

    /// Adds tasks, all or none, and returns their ids in the same order. Events and errors as for
    /// [`enqueue`](Self::enqueue).
    pub async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        Ok(self.enqueue_unique_many(tasks).await?.into_iter().map(Enqueued::id).collect())
    }

    /// Adds tasks, all or none, and says what has become of each; see [`TaskQueue::enqueue_unique_many`].
    pub async fn enqueue_unique_many(&self, mut tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        self.add_callbacks(&mut tasks);
        #[cfg(feature = "tower")]
        if let Some(layers) = &self.layers {
            return layers.enqueue(tasks).await;
        }
        self.enqueue_many_inside(tasks).await
    }

    /// The result of a task, or `None` if there is none (yet, or any more). A dead letter that was retried has none
    /// until it ends again. Error `is_config` if results are off.
    pub async fn result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        Ok(self.latest_results(&[id]).await?.pop())
    }

    /// Saves a schedule, whose tasks get the callbacks of this backend; see [`ScheduleStorage::save`]. Error `is_config` if the queue has no
    /// schedules.
    pub async fn save_schedule(&self, mut schedule: Schedule) -> Result<SavedSchedule> {
        self.add_callbacks(std::slice::from_mut(&mut schedule.task));
        self.require_schedules()?.save(schedule).await
    }

    /// The result of the latest task of a schedule that has one, of its last hundred ticks; `None` if there is none. Error `is_config` if
    /// results are off, or the queue has no schedules.
    pub async fn latest_result(&self, schedule: &str) -> Result<Option<TaskResult>> {
        self.latest_of_schedule(schedule).await
    }

    /// Waits for the result of a task, which comes as soon as it is stored: the end of the task rings this wait. Behind a
    /// transaction pooler, and for storages that do not ring, it is looked for at intervals of 5 to 200 ms.
    ///
    /// Errors: `is_timeout` if it has not come in time, `is_not_found` if the task ends meanwhile and leaves none (it was
    /// deleted, or ended where no results are kept), `is_config` if results are off. After the timeout one more look, of a
    /// second at most, finds out why: no such task, a paused queue, no worker for the queue or the function, a retry to come;
    /// the message says it.
    pub async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        self.wait_for_latest(id, timeout).await
    }

    /// Reports success of a dequeued task, with its result and event. Error `is_claim_lost` if it is not held any more.
    pub async fn complete(&self, task: &Task, value: Option<Payload>) -> Result<()> {
        self.report(vec![Report::completed(task, value)]).await
    }

    /// Reports success of dequeued tasks, each with its value: all, or none if one is not held any more (`is_claim_lost`).
    pub async fn complete_many(&self, done: Vec<(Task, Option<Payload>)>) -> Result<()> {
        self.report(done.iter().map(|(task, value)| Report::completed(task, value.clone())).collect()).await
    }

    /// Reports failure of a dequeued task: it is retried after its backoff, or becomes a dead letter with a
    /// result. Returns which (`Scheduled` or `Dead`). Error `is_claim_lost` if it is not held any more.
    pub async fn fail(&self, task: &Task, error: TaskError) -> Result<TaskState> {
        verbs::only(self.fail_many(vec![(task.clone(), error)]).await?)
    }

    /// Reports failure of dequeued tasks, as [`fail`](Self::fail): of all, or of none if one is not held any more
    /// (`is_claim_lost`).
    pub async fn fail_many(&self, failed: Vec<(Task, TaskError)>) -> Result<Vec<TaskState>> {
        let (reports, states) = Report::failed(&failed);
        self.report(reports).await?;
        Ok(states)
    }

    /// Cancels a task: a waiting one leaves the queue and gets a `cancelled` result, a running one is asked to stop.
    /// Errors as for [`cancel_many`](Self::cancel_many).
    pub async fn cancel(&self, id: TaskId) -> Result<Cancelled> {
        verbs::only(self.cancel_many(&[id]).await?)
    }

    /// Cancels tasks; one answer for each in the same order.
    ///
    /// Errors, if results or events are on: `is_timeout` if another session locks the row of a task for 30 seconds,
    /// `is_conflict` if a task begins or ends a run at each of 100 tries. After an error some of the tasks may be
    /// cancelled.
    pub async fn cancel_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        self.cancel_by_id(ids).await
    }

    /// Cancels all tasks that the filter selects, in the states blocked, scheduled, ready and running if it names none; returns how
    /// many. For any number of tasks: a page of them at a time. Tasks that are enqueued after the call has begun are left
    /// out. Of a page that was read, a task that another call has changed before its cancel is left out, but for changes
    /// that leave it waiting. Results, events and errors as for
    /// [`cancel_many`](Self::cancel_many); after an error the pages before it are done. Error `is_invalid` for a state that
    /// cannot be cancelled.
    pub async fn cancel_all(&self, filter: &TaskFilter) -> Result<CancelCounts> {
        self.cancel_by_filter(filter).await
    }

    /// The tasks that a task runs after, in the order in which they were given, with their results where these are kept; none if it runs after no
    /// other, or has ended some time ago. Results obey their `result_ttl`.
    pub async fn predecessors(&self, id: TaskId) -> Result<Predecessors> {
        self.predecessors_of(id).await
    }

    /// Settles runs with their results and events, and returns one answer for each in the same order.
    ///
    /// Results and events in the queue's location are written in the queue's transaction. Results kept elsewhere are
    /// stored before the queue settles, events kept elsewhere after it, and only those of tasks that were settled.
    /// Results or events are left out if they are off.
    ///
    /// A crash before this returns leaves tasks held, and they run again; none is lost. A result that is kept elsewhere
    /// is stored before the claim is checked, so it can come from a run whose claim is lost. It stays until the run
    /// that holds the task stores its own; if that run has stored first, the lost run's result stays. Workers prevent
    /// this: they stop their runs when they lose their lease, before other workers may take the tasks.
    ///
    /// Errors: `is_claim_lost` in [`SettleMode::All`]; those of the queue and of the result storage, never of the
    /// event storage. But where events are in the queue's location, [`SettleMode::Each`] fails while they are locked or the
    /// disk is full (SQLSTATE 55P03, class 53): settle again. From 15 seconds after the first such failure on it settles
    /// without events.
    pub async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>> {
        self.settle_parts(batch, mode).await
    }

    /// Closes all parts, even if one of them fails to close, and returns the first error. A second call does nothing.
    pub async fn close(&self) -> Result<()> {
        let queue = self.queue.close().await;
        let results = match &self.results {
            Some(results) => results.close().await,
            None => Ok(()),
        };
        let events = match self.events() {
            Some(events) => events.close().await,
            None => Ok(()),
        };
        queue.and(results).and(events)
    }
}

impl Backend {
    /// The settlement of a task under its claim (or, for a waiting one, under none).
    pub(crate) fn record(&self, report: Report<'_>) -> Settlement {
        let (results, events) = (self.results.is_some(), self.events.is_some());
        let (result_ttl, keep_args) = (self.result_ttl, self.keep_args);
        record::settlement(report, Recorded { results, events, result_ttl, keep_args })
    }

    /// The settlements of tasks that are held; an error if one of them is not.
    fn records(&self, reports: Vec<Report<'_>>) -> Result<Vec<Settlement>> {
        let record = |report: Report<'_>| report.task.held().map(|_| self.record(report));
        reports.into_iter().map(record).collect()
    }

    async fn report(&self, reports: Vec<Report<'_>>) -> Result<()> {
        self.settle(&self.records(reports)?, SettleMode::All).await.map(drop)
    }

    /// Logs events, best effort: never an error. A store elsewhere is waited for two seconds; one in the queue's
    /// location as long as a settlement would be. Nothing if events are off.
    pub(crate) async fn log_events(&self, events: Vec<TaskEvent>) {
        if let Some(sink) = &self.events {
            sink.log(events).await;
        }
    }

    /// Ends the wait of settlements and events for room in the event store, or for a lock on it.
    pub(crate) fn wait_for_events_no_longer(&self) {
        if let Some(sink) = &self.events {
            sink.wait_no_longer();
        }
    }

    /// As `log_events`, for events of runs that go on; returns the events to write again.
    pub(crate) async fn log_of_runs(&self, events: Vec<TaskEvent>) -> Vec<TaskEvent> {
        match &self.events {
            Some(sink) => sink.log_or_give_back(events).await,
            None => Vec::new(),
        }
    }
}
