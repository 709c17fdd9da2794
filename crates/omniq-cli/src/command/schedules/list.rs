//! `omniq schedules list`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use omniq::{SavedSchedule, ScheduleFilter, Timing};

use super::super::listing::{Listing, More, PAGE, cut};
use super::super::with_backend;
use crate::args::Global;
use crate::fail::Result;
use crate::output::{Output, Tint, ago, count};
use crate::record::{self, ScheduleRecord};

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in the code of this application
    #[arg(long)]
    app: Option<String>,
    /// Only those whose tasks are of this function
    #[arg(long)]
    func: Option<String>,
    /// Only those that are paused
    #[arg(long)]
    paused: bool,
    /// At most this many; if there are more, a note on stderr and `more` in JSON say so
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Continue after this schedule: the last one of the previous page
    #[arg(long, value_name = "NAME")]
    after: Option<String>,
}

pub async fn run(args: &ListArgs, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let schedules = backend.require_schedules()?;
        let mut filter = ScheduleFilter {
            app: args.app.clone(),
            func: args.func.clone(),
            paused: args.paused.then_some(true),
            after: args.after.clone(),
            limit: Some(args.limit.saturating_add(1)),
        };
        let listing = Listing {
            out,
            json: |saved| Ok(serde_json::to_string(&record::all::<_, ScheduleRecord<'_>>(saved))?),
            table,
            name: "schedules",
            none: "No such schedules.",
        };
        if args.all {
            filter.limit = Some(PAGE);
            return listing
                .all(async |last: Option<&SavedSchedule>| {
                    filter.after = last.map(|last| last.schedule.name.clone()).or(filter.after.take());
                    Ok(schedules.list(&filter).await?)
                })
                .await;
        }
        let mut saved = schedules.list(&filter).await?;
        let more = cut(&mut saved, args.limit);
        let more = saved.last().filter(|_| more).map(|last| More::After(last.schedule.name.clone()));
        listing.page(&saved, more)
    })
    .await
}

fn table(schedules: &[SavedSchedule], out: &Output) -> String {
    let now = Timestamp::now();
    let headers = ["name", "app", "func", "when", "next", "last", "runs"];
    let mut table = out.table(&headers).right(&[6]);
    for saved in schedules {
        let (next, tint) = match (saved.paused_at, saved.next_at) {
            (Some(_), _) => ("paused".to_owned(), Some(Tint::Wait)),
            (None, Some(next)) => (ago(next, now), None),
            (None, None) => ("ended".to_owned(), Some(Tint::Dim)),
        };
        table.tinted([
            (saved.schedule.name.clone(), None),
            (saved.app.clone().unwrap_or_default(), None),
            (saved.schedule.task.func.clone(), None),
            (when(&saved.schedule.timing), None),
            (next, tint),
            (saved.last_at.map_or_else(String::new, |last| ago(last, now)), None),
            (count(saved.runs), None),
        ]);
    }
    table.render()
}

/// A timing for people.
pub fn when(timing: &Timing) -> String {
    match timing {
        Timing::Cron { expression, time_zone } => format!("{expression} {time_zone}"),
        Timing::Every(interval) => format!("every {}", exact(*interval)),
        Timing::At(time) => format!("at {time}"),
        other => format!("{other:?}"),
    }
}

/// A span in the largest unit that shows it exactly: `90 s`, `15 min`, `2 h`, `0.25 s`.
pub fn exact(span: Duration) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let seconds = span.as_secs();
    let whole = span.subsec_nanos() == 0 && seconds > 0;
    match units.iter().find(|(unit, _)| whole && seconds.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{} s", span.as_secs_f64()),
    }
}
