//! What workers tell and ask.

use std::time::Duration;

use super::TaskId;
use super::limits::{check_duration, check_lease, check_name};
use crate::{Error, Result};

/// What a worker says of itself when it registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// A name for people; default `host:pid`. It appears in results and events.
    pub name: String,
    /// The queues it serves, for people and for the rescue of its tasks.
    pub queues: Vec<String>,
    /// How long its claims hold without a heartbeat. Default: 10 seconds.
    pub lease: Duration,
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
        }
    }

    /// Refuses (`is_invalid`) bad names and a lease below a tenth of a second.
    pub fn check(&self) -> Result<()> {
        check_name("worker name", &self.name)?;
        for queue in &self.queues {
            check_name("queue name", queue)?;
        }
        check_lease(self.lease)
    }
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// Whether the worker is still known. If not, its tasks are others' by now.
    pub alive: bool,
    /// Tasks that it holds and that a user wants stopped.
    pub cancelled: Vec<TaskId>,
}

/// What is to be dequeued.
///
/// ```
/// use omniq_core::Dequeue;
/// use std::time::Duration;
/// let request = Dequeue::from(["urgent", "default"]).limit(10).timeout(Duration::from_secs(5));
/// assert!(request.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dequeue {
    /// Queues, the first served first.
    pub queues: Vec<String>,
    /// At most so many. Default: 1.
    pub limit: u32,
    /// So many more are welcome if they are stored together with the last one and would have to be parted from it. Default: 0.
    pub overfetch: u32,
    /// Goes on where this worker's last claim ended, and looks only now and then whether there is anything before: then a claim
    /// does not walk over what was claimed and finished, also where an old snapshot keeps the database from clearing it away.
    /// What comes back to its old place is found a moment later. Default: no, the order is strict.
    pub resume: bool,
    /// How long to wait for the first task. Default: not at all.
    pub timeout: Duration,
    /// Only tasks of these functions; others are left for workers that know them. Default: any.
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
    /// The most that one call may ask for.
    pub const MAX: u32 = 10_000;

    /// At most so many.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// So many more are welcome, if that spares the storage to part what it holds together.
    #[must_use]
    pub fn overfetch(mut self, overfetch: u32) -> Self {
        self.overfetch = overfetch;
        self
    }

    /// Goes on where this worker's last claim ended; see the field.
    #[must_use]
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Waits so long for the first task.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Only tasks of these functions.
    #[must_use]
    pub fn funcs<S: Into<String>>(mut self, funcs: impl IntoIterator<Item = S>) -> Self {
        self.funcs = Some(funcs.into_iter().map(Into::into).collect());
        self
    }

    /// Refuses (`is_invalid`) no queue, bad names, and limits outside 1 to 10,000.
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

/// The figures of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Its name.
    pub name: String,
    /// Whether claims are paused.
    pub paused: bool,
    /// Tasks that may be claimed.
    pub ready: u64,
    /// Tasks that wait for their time.
    pub scheduled: u64,
    /// Tasks held by workers.
    pub running: u64,
    /// Dead letters.
    pub dead: u64,
    /// Completed tasks that are kept.
    pub completed: u64,
}

/// A task whose worker was lost; it is still held by that worker's claim until it is settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// The task, with the lost worker's claim.
    pub task: super::Task,
    /// The name of the worker that was lost.
    pub worker: String,
}
