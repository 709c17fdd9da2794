//! Changes to a waiting task.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Codec, Limits, NewTask, Payload, Task};
use crate::Result;

/// Changes to a task that no worker holds; `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskUpdate {
    /// Another queue.
    pub queue: Option<String>,
    /// Another priority.
    pub priority: Option<i16>,
    /// Another start time; a time that has passed means at once.
    pub run_at: Option<Timestamp>,
    /// Other arguments.
    pub payload: Option<Payload>,
    /// Another number of retries.
    pub max_retries: Option<u32>,
    /// Another metadata object, which replaces the old one.
    pub metadata: Option<Map<String, Value>>,
}

impl TaskUpdate {
    /// Applies the change to a waiting task; for storages.
    pub fn apply(self, task: &mut Task, now: Timestamp) {
        if let Some(time) = self.run_at {
            task.start_at(time, now);
        }
        task.queue = self.queue.unwrap_or_else(|| std::mem::take(&mut task.queue));
        task.priority = self.priority.unwrap_or(task.priority);
        task.max_retries = self.max_retries.unwrap_or(task.max_retries);
        if let Some(payload) = self.payload {
            task.payload = payload;
        }
        if let Some(metadata) = self.metadata {
            task.metadata = metadata;
        }
    }

    /// Errors as of [`NewTask::check`] for values that cannot be stored; every update calls it first.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        let payload = self.payload.clone().unwrap_or_else(|| Payload::new(Codec::Raw, Vec::new()));
        let mut probe = NewTask::with_payload("update", payload);
        probe.queue = self.queue.clone().unwrap_or(probe.queue);
        probe.max_retries = self.max_retries.unwrap_or(0);
        probe.metadata = self.metadata.clone().unwrap_or_default();
        probe.check(limits)
    }
}
