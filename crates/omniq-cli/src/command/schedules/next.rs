//! `omniq schedules next`: the next ticks, in the schedule's time zone.

use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use omniq::{NewTask, SavedSchedule, Schedule, Timing};

use super::super::with_backend;
use super::save::timing;
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, ago};
use crate::span;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["name", "cron", "every"]))]
pub struct NextArgs {
    /// The schedule's name
    name: Option<String>,
    /// A cron expression, in place of a schedule
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// An interval from now, in place of a schedule
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    every: Option<Duration>,
    /// Show the ticks in this time zone [default: that of the cron expression, or UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// How many ticks
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
}

pub async fn run(args: &NextArgs, global: &Global, out: &Output) -> Result<()> {
    let now = Timestamp::now();
    let Some(name) = &args.name else {
        let zone = args.time_zone.as_deref().unwrap_or("UTC");
        let timing = timing(args.cron.as_ref(), zone, args.every, None)?;
        let schedule = Schedule::new("probe", timing, NewTask::new("probe", &())?)?;
        return show(args, &SavedSchedule::new(schedule, None, now)?, now, out);
    };
    with_backend(global, out, async |backend| {
        let saved = backend.require_schedules()?.get(name).await?;
        let saved = saved.ok_or_else(|| Failure::not_found(format!("there is no schedule {name:?}")))?;
        show(args, &saved, now, out)
    })
    .await
}

fn show(args: &NextArgs, saved: &SavedSchedule, now: Timestamp, out: &Output) -> Result<()> {
    let own = match &saved.schedule.timing {
        Timing::Cron { time_zone, .. } => time_zone.as_str(),
        _ => "UTC",
    };
    let name = args.time_zone.as_deref().unwrap_or(own);
    let zone = TimeZone::get(name).map_err(|error| {
        Failure::usage(format!("time zone {name:?} is unknown: write one such as Europe/Berlin ({error})"))
    })?;
    let ticks = saved.upcoming(now, usize::from(args.count))?;
    if out.is_json() {
        let ticks: Vec<String> = ticks.iter().map(ToString::to_string).collect();
        return out.json(&serde_json::json!({ "ticks": ticks, "paused": saved.paused_at.is_some() }));
    }
    if saved.paused_at.is_some() {
        out.note("The schedule is paused: it has these ticks once it is resumed.");
    }
    if ticks.is_empty() {
        return out.line("No tick comes any more.");
    }
    let mut table = out.table(&[name, "UTC", "when"]);
    for tick in ticks {
        let local = tick.to_zoned_datetime(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %z").to_string();
        let utc = tick.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        table.tinted([(local, None), (utc, None), (ago(tick, now), None)]);
    }
    out.line(table.render())
}
