//! `omniq schedules show`.

use jiff::Timestamp;
use omniq::{Missed, SavedSchedule, TaskResult, Tick};
use serde::Serialize;

use super::super::with_backend;
use super::list::{exact, when};
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, Tint, ago, printable, shorten, stamp};
use crate::record::{ResultRecord, ScheduleRecord, TickRecord, preview};

/// How many ticks are shown to people.
const SHOWN: usize = 10;
/// How many characters of arguments and values are shown; `--json` has all of them.
const PREVIEW: usize = 200;

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    schedule: ScheduleRecord<'a>,
    ticks: Vec<TickRecord<'a>>,
    latest_result: Option<ResultRecord<'a>>,
}

pub async fn run(name: &str, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let schedules = backend.require_schedules()?;
        let saved = schedules.get(name).await?;
        let saved = saved.ok_or_else(|| Failure::not_found(format!("there is no schedule {name:?}")))?;
        let ticks = schedules.history(name, 100).await?;
        let result = match backend.results() {
            Some(_) => backend.latest_result(name).await?,
            None => None,
        };
        if out.is_json() {
            return out.json(&Whole {
                schedule: ScheduleRecord::from(&saved),
                ticks: ticks.iter().map(TickRecord::from).collect(),
                latest_result: result.as_ref().map(ResultRecord::from),
            });
        }
        definition(&saved, out)?;
        history(&ticks, out)?;
        latest(result.as_ref(), out)
    })
    .await
}

fn definition(saved: &SavedSchedule, out: &Output) -> Result<()> {
    let now = Timestamp::now();
    let schedule = &saved.schedule;
    let at = |time: Option<Timestamp>| time.map(|time| format!("{} ({})", stamp(time), ago(time, now)));
    let missed = match schedule.missed {
        Missed::Skip => "skipped".to_owned(),
        Missed::Once => "made up for once".to_owned(),
        Missed::All(most) => format!("made up for, the latest {most}"),
        other => format!("{other:?}"),
    };
    let arguments = shorten(&preview(&schedule.task.payload), PREVIEW);
    let fields = [
        ("when", Some(when(&schedule.timing))),
        ("next tick", at(saved.next_at).or(Some("none comes any more".to_owned()))),
        ("last tick", at(saved.last_at)),
        ("paused since", at(saved.paused_at)),
        ("function", Some(schedule.task.func.clone())),
        ("arguments", Some(arguments)),
        ("queue", Some(schedule.task.queue.clone())),
        ("priority", Some(schedule.task.priority.to_string())),
        ("retries", Some(schedule.task.max_retries.to_string())),
        ("delay", schedule.task.delay.map(exact)),
        ("timeout", schedule.task.timeout.map(exact)),
        ("time to live", schedule.task.ttl.map(exact)),
        ("in the code of", saved.app.clone()),
        ("missed ticks", Some(format!("{missed}, if they are late by {}", exact(schedule.grace)))),
        ("jitter", schedule.jitter.map(|jitter| format!("up to {}", exact(jitter)))),
        ("overlap", (!schedule.overlap).then(|| "none: a tick is skipped while a task runs".to_owned())),
        (
            "runs",
            Some(match schedule.max_runs {
                Some(most) => format!("{} of {most}", saved.runs),
                None => saved.runs.to_string(),
            }),
        ),
        ("starts at", schedule.starts_at.map(stamp)),
        ("ends at", schedule.ends_at.map(stamp)),
        ("version", Some(saved.version.to_string())),
    ];
    out.line(out.paint(&printable(&schedule.name), Tint::Bold))?;
    for (name, value) in fields {
        if let Some(value) = value {
            out.line(format!("  {name:<15} {}", printable(&value)))?;
        }
    }
    Ok(())
}

fn history(ticks: &[Tick], out: &Output) -> Result<()> {
    if ticks.is_empty() {
        return out.line("No tick yet.");
    }
    let now = Timestamp::now();
    let mut table = out.table(&["tick", "when", "task"]);
    for tick in ticks.iter().take(SHOWN) {
        let (what, tint) = match (&tick.task_id, &tick.skipped) {
            (Some(task), _) if tick.manual => (format!("{task} (by hand)"), None),
            (Some(task), _) => (task.to_string(), None),
            (None, why) => (format!("skipped: {}", why.as_deref().unwrap_or("unknown")), Some(Tint::Wait)),
        };
        table.tinted([(stamp(tick.at), None), (ago(tick.at, now), None), (what, tint)]);
    }
    out.line(table.render())?;
    if ticks.len() > SHOWN {
        out.note(format!(
            "These are the last {SHOWN} of {} ticks that are kept: --json has all",
            ticks.len()
        ));
    }
    Ok(())
}

fn latest(result: Option<&TaskResult>, out: &Output) -> Result<()> {
    let Some(result) = result else { return out.line("No result is kept.") };
    let value = result.value.as_ref().map(|value| shorten(&preview(value), PREVIEW));
    let error = result.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message));
    let what = value.or(error).unwrap_or_default();
    out.line(format!("Latest result: {} {} {}", result.status, printable(&what), stamp(result.finished_at)))
}
