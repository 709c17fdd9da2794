//! The task queue: the verbs of users.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use omniq_macros::{blocking, layered};

use super::ends::EndSubscription;
use super::own_dequeue::{self, Settles};
use super::{Location, QueueMaintenance, ScheduleStorage, WorkerQueue, iterate, retry};
use crate::cancel::{self, Canceller};
use crate::model::*;
use crate::{Error, Result, verbs};

/// A queue of tasks.
///
/// Every call is durable once it has returned, and has no effect if it fails, except that a call whose connection broke
/// (`is_unavailable`) may or may not have been carried out. Bulk calls are all or nothing. Time is the storage's own:
/// the database's clock decides what is due and what has expired.
///
/// A storage implements the methods without a body; the others are made from them. What workers call is apart:
/// [`WorkerQueue`] and [`QueueMaintenance`].
#[layered(QueueLayer, QueueVerbs)]
#[blocking(BlockingQueue)]
#[async_trait]
pub trait TaskQueue: WorkerQueue + QueueMaintenance {
    /// Adds a task and returns its id.
    ///
    /// Errors: `is_invalid` for bad input, `is_duplicate` if the id is in use; nothing is written then.
    async fn enqueue(&self, task: NewTask) -> Result<TaskId> {
        verbs::only(self.enqueue_many(vec![task]).await?)
    }

    /// Adds tasks, all or none, and returns their ids in the same order. In place of a task that was not added, because another one
    /// holds its key, comes the id of that one.
    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>>;

    /// Adds a task, and says whether it was added or another one holds its key; see [`Unique`].
    ///
    /// At any moment at most one unfinished task holds a key, from wherever it is enqueued. An enqueue that is folded into a task that waits (skip, replace,
    /// reschedule) is committed before that task can start. It waits for other transactions that have taken or changed the same key and
    /// are open.
    ///
    /// Errors as for [`enqueue`](Self::enqueue); `is_duplicate` with [`OnConflict::Error`]; nothing is written then. `is_invalid` if
    /// the queue has no unique tasks.
    async fn enqueue_unique(&self, task: NewTask) -> Result<Enqueued> {
        verbs::only(self.enqueue_unique_many(vec![task]).await?)
    }

    /// Adds tasks, all or none, as if one after the other, and says what has become of each in the same order. Those without a key are
    /// always added.
    ///
    /// The default is for queues without unique tasks.
    async fn enqueue_unique_many(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        verbs::refuse_unique(&tasks)?;
        Ok(self.enqueue_many(tasks).await?.into_iter().map(Enqueued::New).collect())
    }

    /// Whether [`enqueue_logged`](Self::enqueue_logged) logs to the event storage in this location. Default: false.
    fn logs_enqueues(&self, events: &Location) -> bool {
        let _ = events;
        false
    }

    /// Adds tasks as [`enqueue_unique_many`](Self::enqueue_unique_many) does, and logs the `enqueued` events of those that were added in the
    /// same transaction, so that these precede all other events of the tasks. Called only if
    /// [`logs_enqueues`](Self::logs_enqueues) is true.
    #[async_only]
    async fn enqueue_logged(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        self.enqueue_unique_many(tasks).await
    }

    /// The statement that adds tasks in a transaction of the user, all or none, and their ids in the same order, if they are added:
    /// [`TransactionStatement::enqueued`] reads its answer. `stale`: the database of an earlier statement, if the connection led to another
    /// one: it is looked up anew. Error `is_invalid` if no transaction reaches this queue.
    #[async_only]
    async fn enqueue_statement(
        &self,
        tasks: Vec<NewTask>,
        stale: Option<DatabaseId>,
    ) -> Result<(TransactionStatement, Vec<TaskId>)> {
        let _ = (tasks, stale);
        Err(verbs::without_transactions("queue"))
    }

    /// Claims the next task: by queue in the order given, then priority (higher first), then first in, first out.
    /// Waits up to the request's timeout, and returns `None` if there was none.
    ///
    /// At the first call the queue object registers as a worker. A heartbeat in the background extends its lease until
    /// the object is closed, which hands back what is not settled by then. After a crash a task returns once the lease
    /// has ended (by default 10 seconds) and its loss is detected; the attempt counts.
    async fn dequeue(&self, request: Dequeue) -> Result<Option<Task>> {
        Ok(self.dequeue_many(request.limit(1)).await?.pop())
    }

    /// Claims up to `request.limit` tasks. Waits up to the request's timeout for the first one.
    async fn dequeue_many(&self, request: Dequeue) -> Result<Vec<Task>> {
        own_dequeue::dequeue(self, request).await
    }

    /// Whether a user has asked to stop this task, which a dequeue of this queue object has given: then end it, by
    /// [`discard`](Self::discard) or with [`Outcome::Cancel`]. A run that completes all the same counts.
    ///
    /// The heartbeat tells of it, three times in the span of the lease (by default each 3.3 seconds); no statement is sent,
    /// so a long run can ask often. Error `is_claim_lost` if this object does not hold the task (any more).
    async fn cancel_requested(&self, task: &Task) -> Result<bool> {
        self.self_lease().cancel_requested(task).await
    }

    /// Reports success: the task leaves the queue. Error `is_claim_lost` if the task is not held any more.
    async fn complete(&self, task: &Task) -> Result<()> {
        let batch = [verbs::settlement(task, Outcome::Complete)?];
        settle_all(self, &batch).await
    }

    /// Reports success of all, or of none if one is not held any more (`is_claim_lost`).
    async fn complete_many(&self, tasks: &[Task]) -> Result<()> {
        let batch = verbs::settlements(tasks.iter().map(|task| (task, Outcome::Complete)))?;
        settle_all(self, &batch).await
    }

    /// Reports a failure: the task is retried after its backoff, or becomes a dead letter. Returns which
    /// (`Scheduled` or `Dead`).
    async fn fail(&self, task: &Task, error: TaskError) -> Result<TaskState> {
        verbs::only(self.fail_many(vec![(task.clone(), error)]).await?)
    }

    /// Reports the failure of all, or of none if one is not held any more (`is_claim_lost`).
    async fn fail_many(&self, failed: Vec<(Task, TaskError)>) -> Result<Vec<TaskState>> {
        let (batch, states) = verbs::failures(failed)?;
        settle_all(self, &batch).await?;
        Ok(states)
    }

    /// Schedules another attempt after `delay`, even if no retries are left. This attempt counts.
    async fn retry_later(&self, task: &Task, delay: Duration, error: Option<TaskError>) -> Result<()> {
        let batch = [verbs::settlement(task, Outcome::RetryLater { delay, error })?];
        settle_all(self, &batch).await
    }

    /// Hands the task back; the attempt is not counted.
    async fn release(&self, task: &Task) -> Result<()> {
        let batch = [verbs::settlement(task, Outcome::Release)?];
        settle_all(self, &batch).await
    }

    /// Hands all back, or none if one is not held any more (`is_claim_lost`).
    async fn release_many(&self, tasks: &[Task]) -> Result<()> {
        let batch = verbs::settlements(tasks.iter().map(|task| (task, Outcome::Release)))?;
        settle_all(self, &batch).await
    }

    /// Postpones the task by `delay`, at most 100 years; the attempt is not counted.
    async fn snooze(&self, task: &Task, delay: Duration) -> Result<()> {
        let batch = [verbs::settlement(task, Outcome::Snooze { delay })?];
        settle_all(self, &batch).await
    }

    /// Drops a task that is held: it leaves the queue.
    async fn discard(&self, task: &Task) -> Result<()> {
        let batch = [verbs::settlement(task, Outcome::Discard)?];
        settle_all(self, &batch).await
    }

    /// Settles runs, each fenced by its claim, and returns one answer for each in the same order. Results and events in
    /// the settlements are written in the same transaction; only a storage whose [`Location`] is theirs is given any. What a
    /// settlement enqueues is added in the same transaction, if it is carried out. A
    /// settlement without a claim is answered `Lost` also if another call changes the task, or another task of its
    /// segment, at that moment: only another lookup shows which.
    async fn settle(&self, batch: &[Settlement], mode: SettleMode) -> Result<Vec<Settled>>;

    /// The statement that settles runs in a transaction of the user, with their results and events, as [`settle`](Self::settle) does.
    /// It answers for each whether its claim held; with [`SettleMode::All`] a lost claim fails the statement
    /// (`is_claim_lost`), and with it the transaction. A settlement without a claim is never done.
    ///
    /// The tasks stay held until the transaction is committed, and after a rollback. Error `is_invalid` if no transaction
    /// reaches this queue.
    #[async_only]
    async fn settle_statement(&self, batch: &[Settlement], mode: SettleMode) -> Result<TransactionStatement> {
        let _ = (batch, mode);
        Err(verbs::without_transactions("queue"))
    }

    /// The statement that completes tasks in a transaction of the user, all or none.
    #[async_only]
    async fn complete_statement(&self, tasks: &[Task]) -> Result<TransactionStatement> {
        let batch = verbs::settlements(tasks.iter().map(|task| (task, Outcome::Complete)))?;
        self.settle_statement(&batch, SettleMode::All).await
    }

    /// The statement that reports the failure of tasks in a transaction of the user, all or none; and the states in which
    /// it leaves them (`Scheduled` or `Dead`).
    #[async_only]
    async fn fail_statement(
        &self,
        failed: Vec<(Task, TaskError)>,
    ) -> Result<(TransactionStatement, Vec<TaskState>)> {
        let (batch, states) = verbs::failures(failed)?;
        Ok((self.settle_statement(&batch, SettleMode::All).await?, states))
    }

    /// Cancels a task: a waiting one leaves the queue, a running one is asked to stop.
    async fn cancel(&self, id: TaskId) -> Result<Cancelled> {
        verbs::only(self.cancel_many(&[id]).await?)
    }

    /// Cancels tasks; one answer for each in the same order.
    async fn cancel_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>>;

    /// Asks the workers of running tasks to stop them, and leaves all other tasks as they are; one answer for each in
    /// the same order: `Requested`, or `NotFound` if the task is not running or its worker was declared lost.
    /// [`Backend`](crate::Backend) cancels the others by settling them, so that their results and events are written.
    ///
    /// The default is [`cancel_many`](Self::cancel_many), for storages that write no results and events: a task that is
    /// waiting again by that time is then cancelled (`Done`) without a result.
    #[async_only]
    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        self.cancel_many(ids).await
    }

    /// The task, or `None` if the queue does not hold it (any more).
    async fn get(&self, id: TaskId) -> Result<Option<Task>>;

    /// The tasks with these ids, in the same order; `None` for one that the queue does not hold (any more).
    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        let mut tasks = Vec::with_capacity(ids.len());
        for id in ids {
            tasks.push(self.get(*id).await?);
        }
        Ok(tasks)
    }

    /// The tasks after which a task runs, in the order in which they were given; none if it runs after no other, or is not known any more. They are
    /// known until the task has ended for good, and may be for some time after. Default: none.
    async fn predecessors(&self, id: TaskId) -> Result<Vec<TaskId>> {
        let _ = id;
        Ok(Vec::new())
    }

    /// Changes a task that no worker holds and returns it. Errors: `is_not_found`, `is_conflict` if it is running or
    /// ended.
    async fn update(&self, id: TaskId, change: TaskUpdate) -> Result<Task>;

    /// Makes a dead or scheduled task ready at once; a dead one starts anew with attempt 0. Errors: `is_not_found`,
    /// `is_conflict` if it is running or completed.
    async fn retry(&self, id: TaskId) -> Result<()> {
        self.retry_many(&[id]).await
    }

    /// The same for several tasks, all or none.
    async fn retry_many(&self, ids: &[TaskId]) -> Result<()>;

    /// Removes a task that is not running. Errors: `is_not_found`, `is_conflict` if it is running.
    async fn delete(&self, id: TaskId) -> Result<()> {
        self.delete_many(&[id]).await
    }

    /// Removes tasks that are not running, all or none.
    async fn delete_many(&self, ids: &[TaskId]) -> Result<()>;

    /// The tasks that the filter selects, by id.
    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>>;

    /// All tasks that the filter selects, by id, read a page at a time (the filter's `limit`, or 1,000). A task that the
    /// filter selects all the time comes once. One that changes meanwhile comes as it was when its page was read, or not at
    /// all. The stream ends with the first error.
    fn iterate(&self, filter: TaskFilter) -> BoxStream<'_, Result<Task>> {
        iterate::all(filter, async |filter| self.list(&filter).await)
    }

    /// The `seq` of the task that was enqueued last, whether it is still there or not; 0 before the first. With it as
    /// [`max_seq`](TaskFilter::max_seq) a filter leaves out what is enqueued from now on. `None`: the storage does not know it.
    async fn last_seq(&self) -> Result<Option<i64>>;

    /// How many tasks the filter selects.
    async fn count(&self, filter: &TaskFilter) -> Result<u64>;

    /// Makes all tasks ready that the filter selects, dead letters unless it names the state `Scheduled`; returns how
    /// many. Error `is_invalid` for another state.
    ///
    /// For any number of tasks: a page of them at a time, in the order of ids, each page by itself. Tasks that are
    /// enqueued after the call has begun are left out, if the storage knows its [`last_seq`](Self::last_seq). A task that
    /// another call has changed by then, so that the filter does not select it any more, stays as it is. After an error the
    /// pages before it are done, and the message says how many tasks that were.
    async fn retry_all(&self, filter: &TaskFilter) -> Result<u64> {
        let (filters, last) = (filter.for_retry()?, self.last_seq().await?);
        let filters = filters.into_iter().map(|filter| filter.up_to(last)).collect();
        let list = async |filter| self.list(&filter).await;
        retry::by_filters(filters, list, async |ids: Vec<TaskId>| self.retry_many(&ids).await).await
    }

    /// Cancels all tasks that the filter selects, in the states blocked, scheduled, ready and running if it names none; returns how
    /// many. Error `is_invalid` for another state. A page at a time, as [`retry_all`](Self::retry_all). A task that was asked
    /// to stop and waits again meanwhile is counted twice: as asked, and as cancelled.
    async fn cancel_all(&self, filter: &TaskFilter) -> Result<CancelCounts> {
        cancel::by_filter(&Bare(self), filter).await
    }

    /// Removes all tasks that the filter selects and that are not running; returns how many. For any number of tasks, a
    /// page at a time, as [`retry_all`](Self::retry_all); [`purge`](Self::purge) removes all or none.
    async fn delete_all(&self, filter: &TaskFilter) -> Result<u64> {
        self.purge(filter).await
    }

    /// Removes all tasks that the filter selects and that are not running, all or none; returns how many.
    async fn purge(&self, filter: &TaskFilter) -> Result<u64>;

    /// Removes completed tasks and dead letters whose retention is over, about `limit`; returns how many. The retention
    /// is set where the queue is opened. Workers call this at intervals.
    async fn prune(&self, limit: u32) -> Result<u64>;

    /// Stops claims from a queue. Tasks can still be enqueued, and running ones go on.
    async fn pause(&self, queue: &str) -> Result<()>;

    /// Allows claims from a queue again.
    async fn resume(&self, queue: &str) -> Result<()>;

    /// The counts of all queues that hold tasks or are paused, by name.
    async fn queues(&self) -> Result<Vec<QueueStats>>;

    /// The workers that are registered, by their ids: those that live, and those that were lost and whose tasks were not
    /// taken back yet. Queue objects that have claimed tasks themselves are workers, too. Error `is_invalid` if the queue
    /// keeps no list of them.
    async fn workers(&self) -> Result<Vec<RegisteredWorker>> {
        Err(Error::invalid("this queue keeps no list of its workers"))
    }

    /// Hands back the tasks that this object holds, and frees its connections. A second call does nothing; any other
    /// verb afterwards fails with `is_closed`.
    async fn close(&self) -> Result<()>;

    /// A subscription to the ends of tasks, which rings when tasks end or leave the queue. `None`, the default: nothing
    /// rings, and waits look at short intervals.
    fn ends(&self) -> Option<Box<dyn EndSubscription>> {
        None
    }

    /// The schedules whose tasks go to this queue. `None`, the default: it has none.
    fn schedules(&self) -> Option<Arc<dyn ScheduleStorage>> {
        None
    }

    /// Where the tasks are kept.
    fn location(&self) -> Location;
}

impl<T: TaskQueue + ?Sized> BlockingQueue<T> {
    /// All tasks that the filter selects; see [`TaskQueue::iterate`]. Each page blocks the calling thread.
    pub fn iterate_sync(&self, filter: TaskFilter) -> impl Iterator<Item = Result<Task>> {
        iterate::all_sync(filter, |filter| self.list_sync(filter))
    }
}

impl dyn TaskQueue {
    /// The error for verbs after close; for storages.
    pub fn closed() -> Error {
        verbs::queue_closed()
    }
}

/// Settles all or none.
async fn settle_all<Q: TaskQueue + ?Sized>(queue: &Q, batch: &[Settlement]) -> Result<()> {
    if !batch.is_empty() {
        queue.settle(batch, SettleMode::All).await?;
    }
    Ok(())
}

#[async_trait]
impl<Q: TaskQueue + ?Sized> Settles for Q {
    async fn settle_each(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        self.settle(batch, SettleMode::Each).await
    }
}

/// A queue without results and events, as the cancel by filter sees it.
struct Bare<'a, Q: ?Sized>(&'a Q);

impl<Q: TaskQueue + ?Sized> Canceller for Bare<'_, Q> {
    async fn last_seq(&self) -> Result<Option<i64>> {
        self.0.last_seq().await
    }
    async fn list(&self, filter: &TaskFilter) -> Result<Vec<Task>> {
        self.0.list(filter).await
    }
    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<Task>>> {
        self.0.get_many(ids).await
    }
    async fn stop_many(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        self.0.stop_many(ids).await
    }
    fn cancels(&self, task: &Task) -> Settlement {
        Settlement::new(task.id, task.claim, Outcome::Cancel)
    }
    async fn write(&self, batch: &[Settlement]) -> Result<Vec<Settled>> {
        self.0.settle(batch, SettleMode::Each).await
    }
    fn tries_again(&self, _: &Error) -> bool {
        false
    }
}
