//! The definition of a schedule as it is stored: one JSON document, and the arguments of its tasks beside it.

use std::time::Duration;

use jiff::Timestamp;
use omniq_core::{Codec, Error, Missed, NewTask, Payload, Result, Schedule, Timing, read_object};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::segments::options::Options;
use crate::sql::seconds;

/// Spans are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    #[serde(flatten)]
    timing: StoredTiming,
    missed: StoredMissed,
    grace: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<f64>,
    overlap: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_runs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    task: StoredTask,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum StoredTiming {
    Cron { cron: String, time_zone: String },
    Every { every: f64 },
    At { at: Timestamp },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredMissed {
    Skip,
    Once,
    All(u32),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredTask {
    queue: String,
    func: String,
    codec: String,
    priority: i16,
    max_retries: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    options: Options,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
}

fn is_default(options: &Options) -> bool {
    *options == Options::default()
}

impl Definition {
    /// Of a schedule that has been checked.
    pub(super) fn new(schedule: &Schedule) -> Result<Self> {
        let task = &schedule.task;
        let unknown = || Error::internal("a schedule of a newer kind cannot be stored by this version");
        Ok(Self {
            timing: match &schedule.timing {
                Timing::Cron { expression, time_zone } => {
                    StoredTiming::Cron { cron: expression.clone(), time_zone: time_zone.clone() }
                }
                Timing::Every(interval) => StoredTiming::Every { every: interval.as_secs_f64() },
                Timing::At(time) => StoredTiming::At { at: *time },
                _ => return Err(unknown()),
            },
            missed: match schedule.missed {
                Missed::Skip => StoredMissed::Skip,
                Missed::Once => StoredMissed::Once,
                Missed::All(most) => StoredMissed::All(most),
                _ => return Err(unknown()),
            },
            grace: schedule.grace.as_secs_f64(),
            jitter: seconds(schedule.jitter),
            overlap: schedule.overlap,
            max_runs: schedule.max_runs,
            starts_at: schedule.starts_at,
            ends_at: schedule.ends_at,
            task: StoredTask {
                queue: task.queue.clone(),
                func: task.func.clone(),
                codec: task.payload.codec().name().to_owned(),
                priority: task.priority,
                max_retries: task.max_retries,
                delay: seconds(task.delay),
                ttl: seconds(task.ttl),
                options: Options::of(task)?,
                metadata: task.metadata.clone(),
            },
        })
    }

    /// Reads the column, with each number as it was written.
    pub(super) fn read(text: &[u8]) -> Result<Self> {
        let object = Value::Object(read_object(text)?);
        serde_json::from_value(object).map_err(|error| {
            Error::internal(format!(
                "a schedule is not of the form that this version stores ({error}): save it anew"
            ))
        })
    }

    /// The schedule of this name whose tasks have these arguments.
    pub(super) fn schedule(self, name: String, payload: &[u8]) -> Result<Schedule> {
        let StoredTask { queue, func, codec, priority, max_retries, delay, ttl, options, metadata } =
            self.task;
        let mut task = NewTask::with_payload(func, Payload::new(codec.parse::<Codec>()?, payload.to_vec()));
        (task.queue, task.priority, task.max_retries) = (queue, priority, max_retries);
        (task.delay, task.ttl, task.metadata) = (span(delay)?, span(ttl)?, metadata);
        options.give(&mut task);
        let timing = match self.timing {
            StoredTiming::Cron { cron, time_zone } => Timing::cron(cron, time_zone)?,
            StoredTiming::Every { every } => Timing::every(whole_span(every)?)?,
            StoredTiming::At { at } => Timing::at(at),
        };
        let mut schedule = Schedule::new(name, timing, task)?;
        schedule.missed = match self.missed {
            StoredMissed::Skip => Missed::Skip,
            StoredMissed::Once => Missed::Once,
            StoredMissed::All(most) => Missed::All(most),
        };
        schedule.grace = whole_span(self.grace)?;
        (schedule.jitter, schedule.overlap, schedule.max_runs) =
            (span(self.jitter)?, self.overlap, self.max_runs);
        (schedule.starts_at, schedule.ends_at) = (self.starts_at, self.ends_at);
        Ok(schedule)
    }
}

fn whole_span(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| Error::internal(format!("a schedule has a span of {seconds} seconds: {error}")))
}

fn span(seconds: Option<f64>) -> Result<Option<Duration>> {
    seconds.map(whole_span).transpose()
}

#[cfg(test)]
mod tests {
    use omniq_core::{Backoff, Callback, EndKind, OnConflict, Unique, Until};

    use super::*;
    use crate::sql::jsonb;

    #[test]
    fn every_field_comes_back() {
        let now: Timestamp = "2026-03-29T01:30:00.123456Z".parse().unwrap();
        let unique = Unique::key("report")
            .on_conflict(OnConflict::Reschedule)
            .until(Until::Start)
            .period(Duration::from_millis(1_500))
            .max_wait(Duration::from_secs(60));
        let task = NewTask::new("report", &(17, "ä"))
            .unwrap()
            .queue("reports")
            .priority(-3)
            .delay(Duration::from_millis(1_500))
            .ttl(Duration::from_secs(60))
            .max_retries(9)
            .backoff(Backoff::fixed(Duration::from_secs(7)))
            .timeout(Duration::from_millis(333))
            .metadata("large", 1e16)
            .callback(Callback::new([EndKind::Dead], "alert"))
            .unique(unique);
        for timing in [
            Timing::cron("*/5 0 2 * * MON", "Europe/Berlin").unwrap(),
            Timing::every(Duration::from_nanos(333_333_333)).unwrap(),
            Timing::at(now),
        ] {
            for missed in [Missed::Skip, Missed::Once, Missed::All(250)] {
                let schedule = Schedule::new("a name", timing.clone(), task.clone())
                    .unwrap()
                    .missed(missed)
                    .grace(Duration::from_secs(90))
                    .jitter(Duration::from_millis(250))
                    .overlap(false)
                    .max_runs(12)
                    .starts_at(now)
                    .ends_at(now + Duration::from_secs(86_400));
                let text = jsonb::text(&Definition::new(&schedule).unwrap()).unwrap();
                let read = Definition::read(text.as_bytes()).unwrap();
                assert_eq!(
                    read.schedule("a name".to_owned(), task.payload.bytes()).unwrap(),
                    schedule,
                    "{text}"
                );
            }
        }
    }
}
