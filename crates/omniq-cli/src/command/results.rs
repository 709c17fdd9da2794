//! `omniq results`: the results of tasks.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use omniq::{ResultFilter, ResultStatus, TaskId, TaskResult};

use super::listing::{Listing, More, PAGE, cut};
use super::{show, with_backend};
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, Tint, ago, shorten, took};
use crate::record::{self, ResultRecord, preview};
use crate::span;

const HELP: &str = "\
A result is stored when a task has ended, well or not, and kept for as long as the setting
`result_ttl` says (7 days by default).

With --json a list is an object: \"results\", \"more\" (true if it was cut off), and \"next\", the
value of --after that goes on there, or null.

Examples:
  omniq results list --status failed --since 1h
  omniq results show 01987cf2-6d5e-7000-8000-00000000c0de
  omniq results show $(omniq tasks enqueue add '[1, 2]') --wait 10";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ResultsArgs {
    #[command(subcommand)]
    command: ResultsCommand,
}

#[derive(Debug, Subcommand)]
enum ResultsCommand {
    /// Show the result of a task
    #[command(after_help = "Example:\n  omniq results show 01987cf2-6d5e-7000-8000-00000000c0de --wait 10")]
    Show {
        /// The task's id
        id: TaskId,
        /// Wait up to this long for it, in seconds or such as 10m; exit code 5 if it has not come by then
        #[arg(long, value_name = "SPAN", value_parser = span::duration)]
        wait: Option<Duration>,
    },
    /// List results, the latest first
    #[command(after_help = "Example:\n  omniq results list --status failed --since 1h")]
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only with this status: completed, failed, cancelled, expired or discarded
    #[arg(long)]
    status: Option<ResultStatus>,
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only of this function
    #[arg(long)]
    func: Option<String>,
    /// Only with an error of this type, such as ValueError; net.* means all types that begin with net.
    #[arg(long, value_name = "TYPE")]
    error: Option<String>,
    /// Only results that finished since then: a span before now such as 10m, or a time
    #[arg(long, value_name = "TIME", value_parser = span::moment)]
    since: Option<Timestamp>,
    /// Only results that finished before then, in the same forms
    #[arg(long, value_name = "TIME", value_parser = span::moment)]
    until: Option<Timestamp>,
    /// At most this many; if there are more, a note on stderr and `more` in JSON say so
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Continue after the result of this task: the last one of the previous page
    #[arg(long, value_name = "ID")]
    after: Option<TaskId>,
}

pub async fn run(args: &ResultsArgs, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let results = backend.require_results()?;
        match &args.command {
            ResultsCommand::Show { id, wait } => {
                let result = match wait {
                    Some(time) => results.wait(*id, *time).await?,
                    None => results.get(*id).await?.ok_or_else(|| no_result(*id))?,
                };
                if out.is_json() {
                    return out.json(&ResultRecord::from(&result));
                }
                out.line(out.paint(&format!("Result of task {id}"), Tint::Bold))?;
                show::show_result(&result, out)
            }
            ResultsCommand::List(args) => {
                let mut filter = ResultFilter {
                    status: args.status,
                    queue: args.queue.clone(),
                    func: args.func.clone(),
                    error: args.error.clone(),
                    since: args.since,
                    until: args.until,
                    after: None,
                    limit: Some(args.limit.saturating_add(1)),
                };
                if let Some(id) = args.after {
                    let last = results.get(id).await?.ok_or_else(|| no_result(id))?;
                    filter.after = Some((last.finished_at, id));
                }
                let listing = Listing {
                    out,
                    json: |results| Ok(serde_json::to_string(&record::all::<_, ResultRecord<'_>>(results))?),
                    table,
                    name: "results",
                    none: "No such results.",
                };
                if args.all {
                    filter.limit = Some(PAGE);
                    return listing
                        .all(async |last: Option<&TaskResult>| {
                            filter.after = last.map(|last| (last.finished_at, last.task_id)).or(filter.after);
                            Ok(results.list(&filter).await?)
                        })
                        .await;
                }
                let mut found = results.list(&filter).await?;
                let more = cut(&mut found, args.limit);
                let more = found.last().filter(|_| more).map(|last| More::After(last.task_id.to_string()));
                listing.page(&found, more)
            }
        }
    })
    .await
}

fn no_result(id: TaskId) -> Failure {
    Failure::not_found(format!(
        "task {id} has no result (yet, or any more); `omniq tasks show {id}` tells where it stands"
    ))
}

fn table(results: &[TaskResult], out: &Output) -> String {
    let now = Timestamp::now();
    let mut table =
        out.table(&["task", "queue", "func", "status", "finished", "took", "value or error"]).right(&[5]);
    for result in results {
        let ran = result.started_at.map(|started| result.finished_at.duration_since(started));
        let told = match (&result.error, &result.value) {
            (Some(error), _) => format!("{}: {}", error.kind, error.message),
            (None, Some(value)) => preview(value),
            (None, None) => String::new(),
        };
        table.tinted([
            (result.task_id.to_string(), None),
            (result.queue.clone(), None),
            (result.func.clone(), None),
            (result.status.to_string(), tint(result.status)),
            (ago(result.finished_at, now), None),
            (ran.map_or_else(String::new, |ran| took(ran.try_into().unwrap_or_default())), None),
            (shorten(&told, 80), None),
        ]);
    }
    table.render()
}

pub fn tint(status: ResultStatus) -> Option<Tint> {
    match status {
        ResultStatus::Completed => Some(Tint::Good),
        ResultStatus::Failed => Some(Tint::Bad),
        _ => Some(Tint::Wait),
    }
}
