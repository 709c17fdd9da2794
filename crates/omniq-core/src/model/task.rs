//! A task as the queue holds it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Backoff, Callback, Claim, NewTask, Payload, TaskError, TaskId, TaskState, Unique};
use crate::{Error, Result};

/// A task as the queue holds it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// The id.
    pub id: TaskId,
    /// The position in the order of arrival.
    pub seq: i64,
    /// The queue.
    pub queue: String,
    /// The name of the function.
    pub func: String,
    /// The arguments.
    pub payload: Payload,
    /// Tasks of higher priority are claimed first.
    pub priority: i16,
    /// The state.
    pub state: TaskState,
    /// The earliest start time.
    pub run_at: Timestamp,
    /// When the task expires unless a worker has begun it; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// The number of the present or last run, from 1; 0 before the first.
    pub attempt: u32,
    /// How many times the task may be retried.
    pub max_retries: u32,
    /// The wait before a retry.
    pub backoff: Backoff,
    /// The longest that one run may take.
    pub timeout: Option<Duration>,
    /// The user's data about the task.
    pub metadata: Map<String, Value>,
    /// What is enqueued when it ends.
    pub callbacks: Vec<Callback>,
    /// That it is unique, by the text of its key.
    pub unique: Option<Unique>,
    /// The error of the last run that failed.
    pub error: Option<TaskError>,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When the present run was claimed.
    pub claimed_at: Option<Timestamp>,
    /// The claim that holds the task, if one does. Only this claim can settle its run.
    pub claim: Option<Claim>,
    /// The parts that the storage cannot read, by the names of their columns, because the row was written past all
    /// checks. The fields of these parts are empty, and `error` says the same. `None`: everything was read. Such a task
    /// is never run: it is settled as failed when it is claimed.
    pub unreadable: Option<String>,
}

impl Task {
    /// The task right after it was enqueued; for storages.
    pub fn from_new(new: NewTask, id: TaskId, seq: i64, now: Timestamp) -> Self {
        let run_at =
            new.run_at.or_else(|| new.delay.and_then(|delay| now.checked_add(delay).ok())).unwrap_or(now);
        let expires_at = new.ttl.and_then(|ttl| run_at.max(now).checked_add(ttl).ok());
        Self {
            id,
            seq,
            queue: new.queue,
            func: new.func,
            payload: new.payload,
            priority: new.priority,
            state: match &new.after {
                Some(_) => TaskState::Blocked,
                None if run_at > now => TaskState::Scheduled,
                None => TaskState::Ready,
            },
            run_at,
            expires_at,
            attempt: 0,
            max_retries: new.max_retries,
            backoff: new.backoff.unwrap_or_default(),
            timeout: new.timeout,
            metadata: new.metadata,
            callbacks: new.callbacks,
            unique: new.unique,
            error: None,
            created_at: now,
            claimed_at: None,
            claim: None,
            unreadable: None,
        }
    }

    /// Sets the start time; for storages. A time that has passed means now. A blocked task stays blocked. The end of the time to live moves by the
    /// same span, because it counts from the later of creation and start time.
    pub fn start_at(&mut self, time: Timestamp, now: Timestamp) {
        let before = self.run_at.max(self.created_at);
        self.run_at = time.max(now);
        self.expires_at = self
            .expires_at
            .map(|end| end.checked_add(self.run_at.duration_since(before)).unwrap_or(Timestamp::MAX));
        self.state = match self.state {
            TaskState::Blocked => TaskState::Blocked,
            _ if time > now => TaskState::Scheduled,
            _ => TaskState::Ready,
        };
    }

    /// Whether a failure of the present run would be followed by another run.
    pub fn may_retry(&self) -> bool {
        self.attempt <= self.max_retries
    }

    /// Sets `unreadable` and `error` to the parts that cannot be read; for storages.
    pub fn mark_unreadable(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.error = Some(TaskError::unreadable(&what));
        self.unreadable = Some(what);
    }

    /// The claim, or an error (`is_claim_lost`) for a task that was not dequeued.
    pub fn held(&self) -> Result<Claim> {
        self.claim.ok_or_else(|| {
            Error::claim_lost(format!("task {} is not held: only a dequeued task can be settled", self.id))
        })
    }
}
