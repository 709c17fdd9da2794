//! Events as PostgreSQL takes them: one array for each column.

use omniq_core::{Result, TaskEvent};
use uuid::Uuid;

use crate::sql::time::Time;
use crate::sql::{object, signed};

/// Events that are to be logged.
#[derive(Debug, Default)]
pub(crate) struct EventBatch<'a> {
    pub(crate) ats: Vec<Time>,
    pub(crate) kinds: Vec<&'a str>,
    pub(crate) tasks: Vec<Option<Uuid>>,
    pub(crate) queues: Vec<Option<&'a str>>,
    pub(crate) funcs: Vec<Option<&'a str>>,
    pub(crate) workers: Vec<Option<&'a str>>,
    pub(crate) attempts: Vec<Option<i32>>,
    pub(crate) data: Vec<Option<String>>,
}

impl<'a> EventBatch<'a> {
    /// Adds an event that has been checked.
    pub(crate) fn push(&mut self, event: &'a TaskEvent) -> Result<()> {
        self.ats.push(Time(event.at));
        self.kinds.push(event.kind.name());
        self.tasks.push(event.task_id.map(|id| id.as_uuid()));
        self.queues.push(event.queue.as_deref());
        self.funcs.push(event.func.as_deref());
        self.workers.push(event.worker.as_deref());
        self.attempts.push(event.attempt.map(signed));
        self.data.push(object(&event.data)?);
        Ok(())
    }
}
