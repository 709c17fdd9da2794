//! Batches as PostgreSQL takes them: one array per column.

use std::time::Duration;

use bytes::Bytes;
use omniq_core::{Limits, NewTask, Outcome, Result, Settlement, TaskEvent, TaskId, TaskResult};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::rows::Options;
use crate::time::{Time, optional};

/// Counters of the models are bounded far below.
fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn object(map: &Map<String, Value>) -> Result<Option<String>> {
    if map.is_empty() { Ok(None) } else { json(map).map(Some) }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| omniq_core::Error::codec(format!("a value cannot be written as JSON: {error}")))
}

fn seconds(span: Option<Duration>) -> Option<f64> {
    span.map(|span| span.as_secs_f64())
}

/// Tasks to be enqueued; checked, and every one with an id.
#[derive(Debug, Default)]
pub(crate) struct EnqueueBatch {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) queues: Vec<String>,
    pub(crate) funcs: Vec<String>,
    pub(crate) codecs: Vec<String>,
    bodies: Vec<Bytes>,
    pub(crate) priorities: Vec<i16>,
    pub(crate) max_retries: Vec<i32>,
    pub(crate) run_ats: Vec<Option<String>>,
    pub(crate) delays: Vec<Option<f64>>,
    pub(crate) ttls: Vec<Option<f64>>,
    pub(crate) options: Vec<Option<String>>,
    pub(crate) metadata: Vec<Option<String>>,
}

impl EnqueueBatch {
    pub(crate) fn new(tasks: Vec<NewTask>, limits: &Limits) -> Result<Self> {
        for task in &tasks {
            task.check(limits)?;
        }
        Self::of_checked(tasks)
    }

    pub(crate) fn of_checked(tasks: Vec<NewTask>) -> Result<Self> {
        let mut batch = Self::default();
        for task in tasks {
            let options = Options { backoff: task.backoff, timeout: seconds(task.timeout) };
            let options = if options.backoff.is_some() || options.timeout.is_some() {
                Some(json(&options)?)
            } else {
                None
            };
            batch.ids.push(task.id.unwrap_or_else(TaskId::new).as_uuid());
            batch.queues.push(task.queue);
            batch.funcs.push(task.func);
            batch.codecs.push(task.payload.codec().name().to_owned());
            batch.bodies.push(task.payload.bytes().clone());
            batch.priorities.push(task.priority);
            batch.max_retries.push(signed(task.max_retries));
            batch.run_ats.push(task.run_at.map(|time| time.to_string()));
            batch.delays.push(seconds(task.delay));
            batch.ttls.push(seconds(task.ttl));
            batch.options.push(options);
            batch.metadata.push(object(&task.metadata)?);
        }
        Ok(batch)
    }

    pub(crate) fn bodies(&self) -> Vec<&[u8]> {
        self.bodies.iter().map(AsRef::as_ref).collect()
    }

    pub(crate) fn task_ids(&self) -> Vec<TaskId> {
        self.ids.iter().copied().map(TaskId::from).collect()
    }
}

/// Runs to be settled.
#[derive(Debug, Default)]
pub(crate) struct SettleBatch {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) workers: Vec<Option<i64>>,
    pub(crate) numbers: Vec<Option<i32>>,
    pub(crate) outcomes: Vec<&'static str>,
    pub(crate) delays: Vec<f64>,
    pub(crate) errors: Vec<Option<String>>,
    pub(crate) results: ResultBatch,
    pub(crate) events: EventBatch,
}

impl SettleBatch {
    pub(crate) fn new(settlements: Vec<Settlement>) -> Result<Self> {
        let mut batch = Self::default();
        for settlement in settlements {
            let settlement = settlement.checked()?;
            batch.ids.push(settlement.task_id.as_uuid());
            batch.workers.push(settlement.claim.map(|claim| claim.worker.0));
            batch.numbers.push(settlement.claim.map(|claim| signed(claim.number)));
            let (outcome, delay, error) = match settlement.outcome {
                Outcome::Complete => ("complete", None, None),
                Outcome::Fail { error } => ("fail", None, Some(error)),
                Outcome::RetryLater { delay, error } => ("retry_later", Some(delay), error),
                Outcome::Release => ("release", None, None),
                Outcome::Snooze { delay } => ("snooze", Some(delay), None),
                Outcome::Cancel => ("cancel", None, None),
                Outcome::Discard => ("discard", None, None),
                Outcome::Expire => ("expire", None, None),
                other => {
                    return Err(omniq_core::Error::invalid(format!(
                        "outcome {other:?} is not known to this storage: use one version of OmniQ's crates"
                    )));
                }
            };
            batch.outcomes.push(outcome);
            batch.delays.push(delay.unwrap_or_default().as_secs_f64());
            batch.errors.push(error.as_ref().map(json).transpose()?);
            if let Some(result) = settlement.result {
                batch.results.push_checked(result)?;
            }
            for event in settlement.events {
                batch.events.push_checked(event)?;
            }
        }
        Ok(batch)
    }
}

/// Results to be stored.
#[derive(Debug, Default)]
pub(crate) struct ResultBatch {
    pub(crate) ids: Vec<Uuid>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) codecs: Vec<Option<String>>,
    values: Vec<Option<Bytes>>,
    pub(crate) errors: Vec<Option<String>>,
    pub(crate) queues: Vec<String>,
    pub(crate) funcs: Vec<String>,
    pub(crate) workers: Vec<Option<String>>,
    pub(crate) attempts: Vec<i32>,
    pub(crate) metadata: Vec<Option<String>>,
    pub(crate) enqueued: Vec<Option<Time>>,
    pub(crate) started: Vec<Option<Time>>,
    pub(crate) finished: Vec<Time>,
    pub(crate) ttls: Vec<Option<f64>>,
}

impl ResultBatch {
    pub(crate) fn push(&mut self, result: TaskResult) -> Result<()> {
        self.push_checked(result.checked()?)
    }

    fn push_checked(&mut self, result: TaskResult) -> Result<()> {
        self.ids.push(result.task_id.as_uuid());
        self.statuses.push(result.status.name());
        self.codecs.push(result.value.as_ref().map(|value| value.codec().name().to_owned()));
        self.values.push(result.value.map(|value| value.bytes().clone()));
        self.errors.push(result.error.as_ref().map(json).transpose()?);
        self.queues.push(result.queue);
        self.funcs.push(result.func);
        self.workers.push(result.worker);
        self.attempts.push(signed(result.attempt));
        self.metadata.push(object(&result.metadata)?);
        self.enqueued.push(optional(result.enqueued_at));
        self.started.push(optional(result.started_at));
        self.finished.push(Time(result.finished_at));
        self.ttls.push(seconds(result.ttl));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn values(&self) -> Vec<Option<&[u8]>> {
        self.values.iter().map(Option::as_deref).collect()
    }
}

/// Events to be logged.
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
    pub(crate) fn push(&mut self, event: TaskEvent) -> Result<()> {
        event.check()?;
        self.push_checked(event)
    }

    fn push_checked(&mut self, event: TaskEvent) -> Result<()> {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.ats.is_empty()
    }
}
