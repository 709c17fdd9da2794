//! Writes events.

use std::sync::Arc;

use omniq_core::group_commit::{CallWriter, Calls};
use omniq_core::{Error, Result, TaskEvent};

use super::EventBatch;
use crate::db::Db;
use crate::partitions::Missing;
use crate::single_calls::{RULE, is_of_a_value};
use crate::sql::Named;

/// Writes events that have been checked, all or none.
pub(super) async fn log(db: &Db, events: &[TaskEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut batch = EventBatch::default();
    for event in events {
        batch.push(event)?;
    }
    let params: [Named<'_>; 8] = [
        ("ats", &batch.ats),
        ("kinds", &batch.kinds),
        ("tasks", &batch.tasks),
        ("queues", &batch.queues),
        ("funcs", &batch.funcs),
        ("workers", &batch.workers),
        ("attempts", &batch.attempts),
        ("data", &batch.data),
    ];
    let mut missing = Missing::new(std::iter::empty());
    loop {
        // A write that waits longer for a lock fails, so that it does not block others.
        let answer = db.bounded(&db.sql.log_many, &params).await;
        if !missing.made(db, &answer).await? {
            return answer.map(drop);
        }
    }
}

/// Writes events of single calls.
#[derive(Debug)]
pub(super) struct SingleEvents(Arc<Db>);

impl SingleEvents {
    pub(super) fn calls(db: &Arc<Db>) -> Calls<Self> {
        Calls::new(Self(Arc::clone(db)), RULE)
    }
}

impl CallWriter for SingleEvents {
    type Request = TaskEvent;
    type Answer = ();

    const NAME: &'static str = "write of an event";

    fn bytes(&self, event: &TaskEvent) -> usize {
        if event.data.is_empty() {
            0
        } else {
            serde_json::to_string(&event.data).map_or(0, |text| text.len())
        }
    }

    async fn send(&self, events: &[TaskEvent]) -> Result<Vec<()>> {
        log(&self.0, events).await?;
        Ok(vec![(); events.len()])
    }

    fn may_be_of_one(&self, error: &Error) -> bool {
        is_of_a_value(error)
    }
}
