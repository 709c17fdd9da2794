//! `omniq schedules`: tasks that are enqueued at set times.

mod list;
mod next;
mod save;
mod show;

use clap::{Args, Subcommand};

use super::with_backend;
use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Failure, Result};
use crate::output::{Output, printable};

const HELP: &str = "\
A schedule enqueues a task at set times: by a cron expression, at intervals, or once. Workers do it;
each tick enqueues one task, however many workers there are. Schedules stand in the code of an
application, or are saved at run time, here or by a program. Those of code can be paused, resumed and
triggered here, and are changed in the code.

With --json a list is an object: \"schedules\", \"more\" (true if it was cut off), and \"next\", the value
of --after that goes on there, or null.

Examples:
  omniq schedules list
  omniq schedules save nightly clean_up --cron '30 2 * * *' --time-zone Europe/Berlin
  omniq schedules save poll-17 poll '{\"shop\": 17}' --every 30s --no-overlap
  omniq schedules next nightly --count 5
  omniq schedules trigger nightly          now, by hand";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct SchedulesArgs {
    #[command(subcommand)]
    command: SchedulesCommand,
}

#[derive(Debug, Subcommand)]
enum SchedulesCommand {
    /// List schedules by name, with their next and last ticks
    #[command(
        after_help = "Examples:\n  omniq schedules list\n  omniq schedules list --app shop --paused\n  omniq schedules list --json | jq -r '.schedules[].name'"
    )]
    List(list::ListArgs),
    /// Show everything about a schedule: its definition, its ticks, and the result of its latest task
    #[command(after_help = "Example:\n  omniq schedules show nightly")]
    Show {
        /// The schedule's name
        name: String,
    },
    /// Save a schedule, in place of one of the same name that does not stand in code
    #[command(
        after_help = "Examples:\n  omniq schedules save nightly clean_up --cron '30 2 * * *' --time-zone Europe/Berlin\n  omniq schedules save poll-17 poll '{\"shop\": 17}' --every 30s --jitter 5s --max-runs 100\n  omniq schedules save reminder send_mail '[\"ann@example.org\"]' --at 2026-12-24T18:00:00Z"
    )]
    Save(Box<save::SaveArgs>),
    /// Stop the ticks of a schedule
    #[command(after_help = "Example:\n  omniq schedules pause nightly")]
    Pause {
        /// The schedule's name
        name: String,
    },
    /// Let a paused schedule go on; what has passed meanwhile is not made up for
    #[command(after_help = "Example:\n  omniq schedules resume nightly")]
    Resume {
        /// The schedule's name
        name: String,
    },
    /// Enqueue the task of a schedule now, by hand; its ticks go on as before
    #[command(after_help = "Example:\n  omniq schedules trigger nightly")]
    Trigger {
        /// The schedule's name
        name: String,
    },
    /// Remove a schedule with its history; tasks that it has enqueued stay
    #[command(
        after_help = "One that stands in code comes back when a worker of that application starts.\n\nExample:\n  omniq schedules delete nightly"
    )]
    Delete {
        /// The schedule's name
        name: String,
    },
    /// Show the next ticks of a schedule, or of a cron expression
    #[command(
        after_help = "Examples:\n  omniq schedules next nightly --count 5\n  omniq schedules next --cron '30 2 * * *' --time-zone America/New_York"
    )]
    Next(next::NextArgs),
}

pub async fn run(args: &SchedulesArgs, global: &Global, out: &Output) -> Result<()> {
    match &args.command {
        SchedulesCommand::List(args) => list::run(args, global, out).await,
        SchedulesCommand::Show { name } => show::run(name, global, out).await,
        SchedulesCommand::Save(args) => save::run(args, global, out).await,
        SchedulesCommand::Next(args) => next::run(args, global, out).await,
        SchedulesCommand::Pause { name } => {
            with_backend(global, out, async |backend| {
                backend.require_schedules()?.pause(name).await?;
                said(out, name, "paused", "is paused: it has no ticks until it is resumed")
            })
            .await
        }
        SchedulesCommand::Resume { name } => {
            with_backend(global, out, async |backend| {
                backend.require_schedules()?.resume(name).await?;
                said(out, name, "resumed", "goes on")
            })
            .await
        }
        SchedulesCommand::Delete { name } => {
            with_backend(global, out, async |backend| {
                if !backend.require_schedules()?.delete(name).await? {
                    return Err(Failure::not_found(format!("there is no schedule {name:?}")));
                }
                said(out, name, "deleted", "is deleted")
            })
            .await
        }
        SchedulesCommand::Trigger { name } => {
            let backend = Database::find(global, out)?.work().await?;
            let triggered = backend.require_schedules()?.trigger(name).await;
            let closed = backend.close().await;
            let id = triggered?;
            closed?;
            if out.is_json() {
                return out.json(&serde_json::json!({ "name": name, "task_id": id }));
            }
            out.line(id.to_string())
        }
    }
}

fn said(out: &Output, name: &str, done: &str, words: &str) -> Result<()> {
    if out.is_json() {
        return out.json(&serde_json::json!({ "name": name, "done": done }));
    }
    out.line(format!("Schedule {} {words}.", printable(name)))
}
