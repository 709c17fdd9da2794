//! `omniq schedules save`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use omniq::{Limits, Missed, NewTask, Schedule, Timing};

use super::super::tasks::{UniqueArgs, arguments};
use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Failure, Result};
use crate::output::{Output, ago, printable};
use crate::record::ScheduleRecord;
use crate::span;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("when").required(true).args(["cron", "every", "at"]))]
pub struct SaveArgs {
    /// The schedule's name
    name: String,
    /// The function's name, as a worker has registered it
    func: String,
    /// The arguments of each task as JSON; null means none
    #[arg(default_value = "null", value_name = "JSON")]
    args: String,
    /// A cron expression of five fields (minute, hour, day, month, weekday), or six with the second first
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// The time zone of the cron expression, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Each time this span has passed, such as 30s, 10m or 2h
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    every: Option<Duration>,
    /// Once, at this time, such as 2026-12-24T18:00:00Z; local without a zone
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    at: Option<Timestamp>,
    /// What becomes of ticks that are later than the grace: skip, once (one task for the latest), all (the latest 100), or a number (the
    /// latest that many)
    #[arg(long, value_name = "RULE", default_value = "once", value_parser = missed)]
    missed: Missed,
    /// How late a tick may be before it is missed
    #[arg(long, value_name = "SPAN", default_value = "1m", value_parser = span::duration)]
    grace: Duration,
    /// Delay each task by a random time of up to this span
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    jitter: Option<Duration>,
    /// Skip a tick while a task of an earlier one has not ended
    #[arg(long)]
    no_overlap: bool,
    /// End after this many tasks
    #[arg(long, value_name = "NUMBER")]
    max_runs: Option<u64>,
    /// No tick before this time, from which intervals count; local without a zone
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    starts_at: Option<Timestamp>,
    /// No tick after this time; local without a zone
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    ends_at: Option<Timestamp>,
    /// The queue of the tasks
    #[arg(long, default_value = "default")]
    queue: String,
    /// Higher first, from -32768 to 32767
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,
    /// How many times a task is retried after a failure
    #[arg(long, default_value_t = 3)]
    max_retries: u32,
    /// The longest that a run may take
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    timeout: Option<Duration>,
    /// Drop a task if it has not started within this span
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    ttl: Option<Duration>,
    #[command(flatten)]
    unique: UniqueArgs,
}

fn missed(text: &str) -> std::result::Result<Missed, String> {
    match text {
        "skip" => Ok(Missed::Skip),
        "once" => Ok(Missed::Once),
        "all" => Ok(Missed::All(100)),
        number => number
            .parse()
            .map(Missed::All)
            .map_err(|_| format!("{text:?} is no rule: write skip, once, all, or a number of ticks")),
    }
}

/// The timing of these options; one of them is given.
pub fn timing(
    cron: Option<&String>,
    time_zone: &str,
    every: Option<Duration>,
    at: Option<Timestamp>,
) -> Result<Timing> {
    Ok(match (cron, every, at) {
        (Some(expression), _, _) => Timing::cron(expression, time_zone)?,
        (_, Some(interval), _) => Timing::every(interval)?,
        (_, _, Some(time)) => Timing::at(time),
        _ => return Err(Failure::usage("say when: give --cron, --every or --at".to_owned())),
    })
}

impl SaveArgs {
    fn schedule(&self) -> Result<Schedule> {
        let mut task = NewTask::with_payload(&self.func, arguments(&self.args)?)
            .queue(&self.queue)
            .priority(self.priority)
            .max_retries(self.max_retries);
        (task.timeout, task.ttl, task.unique) = (self.timeout, self.ttl, self.unique.unique());
        if self.time_zone.is_some() && self.cron.is_none() {
            return Err(Failure::usage("--time-zone is for --cron: leave it out".to_owned()));
        }
        let zone = self.time_zone.as_deref().unwrap_or("UTC");
        let timing = timing(self.cron.as_ref(), zone, self.every, self.at)?;
        let mut schedule = Schedule::new(&self.name, timing, task)?
            .missed(self.missed)
            .grace(self.grace)
            .overlap(!self.no_overlap);
        (schedule.jitter, schedule.max_runs) = (self.jitter, self.max_runs);
        (schedule.starts_at, schedule.ends_at) = (self.starts_at, self.ends_at);
        // Checked before a wait for a server that is away. The settings limit the size of arguments, so it is not checked here.
        let mut limits = Limits::default();
        limits.max_payload = usize::MAX;
        schedule.check(&limits)?;
        Ok(schedule)
    }
}

pub async fn run(args: &SaveArgs, global: &Global, out: &Output) -> Result<()> {
    let schedule = args.schedule()?;
    let backend = Database::find(global, out)?.work().await?;
    let saved = match backend.require_schedules() {
        Ok(schedules) => schedules.save(schedule).await,
        Err(error) => Err(error),
    };
    let closed = backend.close().await;
    let saved = saved?;
    closed?;
    if out.is_json() {
        return out.json(&ScheduleRecord::from(&saved));
    }
    let next = match (saved.paused_at, saved.next_at) {
        (Some(_), _) => "it is paused".to_owned(),
        (None, Some(next)) => format!("its next tick is {next}, {}", ago(next, Timestamp::now())),
        (None, None) => "it has no tick any more".to_owned(),
    };
    out.line(format!("Schedule {} is saved: {next}.", printable(&saved.schedule.name)))
}
