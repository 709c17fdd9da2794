//! What workers send to the queue, and its answers.

use std::time::Duration;

use jiff::Timestamp;

use super::limits::{check_duration, check_lease, check_name};
use super::{Task, TaskId, WorkerId};
use crate::{Error, Result};

/// What a worker registers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// A name for people; default `host:pid`. It appears in results and events.
    pub name: String,
    /// The queues that it serves. They are shown to people, and select the tasks that may be handed off to it.
    pub queues: Vec<String>,
    /// How long its claims hold without a heartbeat: 100 ms to 100 years. Default: 10 seconds.
    pub lease: Duration,
    /// The machine that it runs on. Default: the name of this one.
    pub host: String,
    /// The version of OmniQ that it runs. Default: this one.
    pub version: String,
    /// The functions that it has. Default: none, for programs that claim tasks themselves.
    pub funcs: Vec<String>,
    /// How many runs may go on at once; `None` where there is no such limit, which is the default.
    pub slots: Option<u32>,
}

impl WorkerInfo {
    /// The default lease.
    pub const LEASE: Duration = Duration::from_secs(10);

    /// A worker of this process for these queues, named `host:pid`, with the default lease.
    pub fn new<S: Into<String>>(queues: impl IntoIterator<Item = S>) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        let host = if host.is_empty() { "localhost" } else { host };
        Self {
            name: format!("{host}:{}", std::process::id()),
            queues: queues.into_iter().map(Into::into).collect(),
            lease: Self::LEASE,
            host: host.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            funcs: Vec::new(),
            slots: None,
        }
    }

    /// Error `is_invalid` for bad names, and for a lease below 100 ms or above 100 years.
    pub fn check(&self) -> Result<()> {
        check_name("worker name", &self.name)?;
        check_name("host name", &self.host)?;
        check_name("version", &self.version)?;
        for queue in &self.queues {
            check_name("queue name", queue)?;
        }
        for func in &self.funcs {
            check_name("function name", func)?;
        }
        check_lease(self.lease)
    }
}

/// A worker that is registered: it lives, or it was lost and its tasks were not taken back yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredWorker {
    /// Its id.
    pub id: WorkerId,
    /// What it registered with.
    pub info: WorkerInfo,
    /// How many of its slots were used at its last heartbeat, which is sent three times in the span of its lease. `None`:
    /// not known.
    pub used: Option<u32>,
    /// Since when it is registered.
    pub started_at: Timestamp,
    /// When its lease ends, unless a heartbeat extends it.
    pub lease_ends_at: Timestamp,
    /// Its lease is over. It cannot come back; its tasks are taken back by the workers that live, and then it is forgotten.
    pub lost: bool,
}

impl RegisteredWorker {
    /// A worker that lives; for storages.
    pub fn new(id: WorkerId, info: WorkerInfo, started_at: Timestamp, lease_ends_at: Timestamp) -> Self {
        Self { id, info, used: None, started_at, lease_ends_at, lost: false }
    }
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// Whether the worker is still registered. If not, other workers may have its tasks by now.
    pub alive: bool,
    /// Tasks that users have cancelled while it held them. Each comes with every heartbeat until the task has left the
    /// worker, and at least once after that.
    pub cancelled: Vec<CancelRequest>,
}

/// The wish of a user that a worker stops a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CancelRequest {
    /// The task.
    pub task_id: TaskId,
    /// Its [`seq`](Task::seq): a task that was enqueued anew with the same id has another, and is not meant.
    pub seq: i64,
}

impl CancelRequest {
    /// A request to stop this task; for storages.
    pub fn of(task: &Task) -> Self {
        Self { task_id: task.id, seq: task.seq }
    }
}

/// A request for tasks.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::Dequeue;
/// use std::time::Duration;
/// let request = Dequeue::from(["urgent", "default"]).limit(10).timeout(Duration::from_secs(5));
/// assert!(request.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dequeue {
    /// The queues, in the order in which they are served.
    pub queues: Vec<String>,
    /// The most tasks to return: 1 to 10,000. Default: 1.
    pub limit: u32,
    /// How many more tasks the caller accepts if they are in one segment with the last one, which would otherwise be
    /// split: 0 to 10,000. Default: 0.
    pub overfetch: u32,
    /// Resumes the scan where this worker's last claim ended, and only occasionally checks for tasks before that
    /// position. Such a claim does not rescan what was claimed and finished, even if an old snapshot keeps the database
    /// from removing it. A task that returns to an earlier position is claimed a moment later. Default: false, which
    /// keeps the order strict.
    pub resume: bool,
    /// How long to wait for the first task. Default: zero, which means no wait.
    pub timeout: Duration,
    /// Only tasks of these functions; others are left for workers that know them. Default: `None`, any function.
    pub funcs: Option<Vec<String>>,
}

impl<S: Into<String>, I: IntoIterator<Item = S>> From<I> for Dequeue {
    fn from(queues: I) -> Self {
        Self {
            queues: queues.into_iter().map(Into::into).collect(),
            limit: 1,
            overfetch: 0,
            resume: false,
            timeout: Duration::ZERO,
            funcs: None,
        }
    }
}

impl Dequeue {
    /// The largest `limit` and `overfetch` of one call.
    pub const MAX: u32 = 10_000;

    /// Sets the most tasks to return.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets how many more tasks are accepted if that saves the storage the split of a segment; see the field.
    #[must_use]
    pub fn overfetch(mut self, overfetch: u32) -> Self {
        self.overfetch = overfetch;
        self
    }

    /// Resumes the scan where this worker's last claim ended; see the field.
    #[must_use]
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Sets how long to wait for the first task.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Selects tasks of these functions only.
    #[must_use]
    pub fn funcs<S: Into<String>>(mut self, funcs: impl IntoIterator<Item = S>) -> Self {
        self.funcs = Some(funcs.into_iter().map(Into::into).collect());
        self
    }

    /// Error `is_invalid` for no queue, bad names, a limit outside 1 to 10,000, an overfetch above 10,000, and a
    /// timeout above 100 years.
    pub fn check(&self) -> Result<()> {
        if self.queues.is_empty() {
            return Err(Error::invalid("no queue was named: name at least one"));
        }
        for queue in &self.queues {
            check_name("queue name", queue)?;
        }
        if !(1..=Self::MAX).contains(&self.limit) {
            return Err(Error::invalid(format!(
                "limit = {} is refused: give 1 to {}",
                self.limit,
                Self::MAX
            )));
        }
        if self.overfetch > Self::MAX {
            return Err(Error::invalid(format!(
                "overfetch = {} is refused: give 0 to {}",
                self.overfetch,
                Self::MAX
            )));
        }
        check_duration("timeout", self.timeout)
    }
}

/// The counts of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Its name.
    pub name: String,
    /// Whether claims are paused.
    pub paused: bool,
    /// Tasks that wait for others to end.
    pub blocked: u64,
    /// Tasks that may be claimed.
    pub ready: u64,
    /// Tasks that wait for their start time.
    pub scheduled: u64,
    /// Tasks held by workers.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// Completed tasks that are kept.
    pub completed: u64,
}

/// A task whose worker was lost. It stays held by that worker's claim until it is settled; or it waits again, and a user had
/// cancelled it while the worker held it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// The task, with the lost worker's claim if it still holds it.
    pub task: super::Task,
    /// The name of the worker that was lost.
    pub worker: String,
    /// Whether a user has cancelled the task while the worker held it.
    pub cancelled: bool,
}
