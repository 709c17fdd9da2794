//! Schedules and their ticks as JSON documents. Spans are seconds.

use omniq::{Missed, SavedSchedule, TaskId, Tick, Timing};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::PayloadRecord;

#[derive(Debug, Serialize)]
pub struct ScheduleRecord<'a> {
    name: &'a str,
    app: Option<&'a str>,
    cron: Option<&'a str>,
    time_zone: Option<&'a str>,
    every: Option<f64>,
    at: Option<String>,
    next_at: Option<String>,
    last_at: Option<String>,
    last_task: Option<TaskId>,
    runs: u64,
    paused_at: Option<String>,
    missed: Value,
    grace: f64,
    jitter: Option<f64>,
    overlap: bool,
    max_runs: Option<u64>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    func: &'a str,
    queue: &'a str,
    priority: i16,
    max_retries: u32,
    delay: Option<f64>,
    ttl: Option<f64>,
    timeout: Option<f64>,
    payload: PayloadRecord,
    metadata: &'a Map<String, Value>,
    created_at: String,
    version: i32,
}

impl<'a> From<&'a SavedSchedule> for ScheduleRecord<'a> {
    fn from(saved: &'a SavedSchedule) -> Self {
        let schedule = &saved.schedule;
        let task = &schedule.task;
        let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
        let seconds = |span: Option<std::time::Duration>| span.map(|span| span.as_secs_f64());
        let (cron, time_zone) = match &schedule.timing {
            Timing::Cron { expression, time_zone } => (Some(expression.as_str()), Some(time_zone.as_str())),
            _ => (None, None),
        };
        let (every, at) = match &schedule.timing {
            Timing::Every(interval) => (Some(interval.as_secs_f64()), None),
            Timing::At(at) => (None, Some(at.to_string())),
            _ => (None, None),
        };
        Self {
            name: &schedule.name,
            app: saved.app.as_deref(),
            cron,
            time_zone,
            every,
            at,
            next_at: time(saved.next_at),
            last_at: time(saved.last_at),
            last_task: saved.last_task,
            runs: saved.runs,
            paused_at: time(saved.paused_at),
            missed: match schedule.missed {
                Missed::Skip => json!("skip"),
                Missed::All(most) => json!(most),
                _ => json!("once"),
            },
            grace: schedule.grace.as_secs_f64(),
            jitter: seconds(schedule.jitter),
            overlap: schedule.overlap,
            max_runs: schedule.max_runs,
            starts_at: time(schedule.starts_at),
            ends_at: time(schedule.ends_at),
            func: &task.func,
            queue: &task.queue,
            priority: task.priority,
            max_retries: task.max_retries,
            delay: seconds(task.delay),
            ttl: seconds(task.ttl),
            timeout: seconds(task.timeout),
            payload: PayloadRecord::from(&task.payload),
            metadata: &task.metadata,
            created_at: saved.created_at.to_string(),
            version: saved.version,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct TickRecord<'a> {
    at: String,
    manual: bool,
    task_id: Option<TaskId>,
    skipped: Option<&'a str>,
}

impl<'a> From<&'a Tick> for TickRecord<'a> {
    fn from(tick: &'a Tick) -> Self {
        let Tick { at, manual, task_id, skipped, .. } = tick;
        Self { at: at.to_string(), manual: *manual, task_id: *task_id, skipped: skipped.as_deref() }
    }
}
