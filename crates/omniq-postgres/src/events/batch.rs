//! Events as PostgreSQL takes them: one array for each column.

use omniq_core::{Result, TaskEvent};
use uuid::Uuid;

use crate::sql::time::Time;
use crate::sql::{object, signed};

/// Events that are to be logged.
#[derive(Debug, Default)]
pub(crate) struct EventBatch {
    pub(crate) ats: Vec<Time>,
    pub(crate) kinds: Vec<String>,
    pub(crate) tasks: Vec<Option<Uuid>>,
    pub(crate) queues: Vec<Option<String>>,
    pub(crate) funcs: Vec<Option<String>>,
    pub(crate) workers: Vec<Option<String>>,
    pub(crate) attempts: Vec<Option<i32>>,
    pub(crate) data: Vec<Option<String>>,
}

impl EventBatch {
    /// Adds an event that has been checked.
    pub(crate) fn push(&mut self, event: TaskEvent) -> Result<()> {
        self.ats.push(Time(event.at));
        self.kinds.push(event.kind.name().to_owned());
        self.tasks.push(event.task_id.map(|id| id.as_uuid()));
        self.queues.push(event.queue);
        self.funcs.push(event.func);
        self.workers.push(event.worker);
        self.attempts.push(event.attempt.map(signed));
        self.data.push(object(&event.data)?);
        Ok(())
    }
}
