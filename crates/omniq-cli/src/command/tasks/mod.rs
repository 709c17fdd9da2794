//! `omniq tasks`: look at tasks, and act on them.

mod act;
mod bulk;
mod choice;
mod enqueue;
mod list;
mod sure;
mod unique;
mod update;
mod which;

use clap::{Args, Subcommand};
use omniq::TaskId;

use self::choice::Chosen;
use super::{show, with_backend};
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::Output;

const HELP: &str = "\
A completed task leaves the queue: its result is the record (`omniq results`). What failed for
good stays as a dead letter, with its arguments and its error, until it is retried or deleted.

cancel, retry, delete and purge take ids, or a filter: then they say how many tasks it selects,
and ask; --yes answers the question, --dry-run asks none and changes nothing.

With --json a list is an object: \"tasks\", \"more\" (true if it was cut off), and \"next\", the value
of --after that goes on there, or null.

Examples:
  omniq tasks list --state dead --error 'net.*' --since 1h
  omniq tasks show 01987cf2-6d5e-7000-8000-00000000c0de
  omniq tasks retry --queue mail --error Timeout
  omniq tasks delete --state dead --until 30d
  omniq tasks update 01987cf2-6d5e-7000-8000-00000000c0de --priority 10 --run-at 2026-11-24T10:00:00Z
  omniq tasks enqueue send_mail '[\"ann@example.org\"]' --queue mail --delay 10m
  omniq tasks enqueue reindex 7 --key reindex:7 --on-conflict reschedule --delay 30s --max-wait 5m";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct TasksArgs {
    #[command(subcommand)]
    command: TasksCommand,
}

#[derive(Debug, Subcommand)]
enum TasksCommand {
    /// List tasks that are in the queue, in the order of their ids
    #[command(
        after_help = "Examples:\n  omniq tasks list --state dead\n  omniq tasks list --queue mail --func send_mail --limit 20\n  omniq tasks list --state dead --error 'net.*' --since 1h\n  omniq tasks list --state dead --json | jq -r '.tasks[].id'"
    )]
    List(list::ListArgs),
    /// Show everything about a task: its fields, arguments, error, result and events
    #[command(after_help = "Example:\n  omniq tasks show 01987cf2-6d5e-7000-8000-00000000c0de")]
    Show {
        /// The task's id
        id: TaskId,
    },
    /// Change a task that waits
    #[command(
        after_help = "Examples:\n  omniq tasks update 01987cf2-6d5e-7000-8000-00000000c0de --priority 10\n  omniq tasks update 01987cf2-6d5e-7000-8000-00000000c0de --queue slow --run-at 2026-11-24T10:00:00Z --max-retries 5"
    )]
    Update(update::UpdateArgs),
    /// Cancel tasks: waiting ones leave the queue, running ones are asked to stop
    #[command(
        after_help = "A filter without --state selects tasks that are blocked, scheduled, ready or running.\n\nExamples:\n  omniq tasks cancel 01987cf2-6d5e-7000-8000-00000000c0de\n  omniq tasks cancel --func send_mail --state scheduled\n  omniq tasks cancel --all --yes"
    )]
    Cancel(choice::Choice),
    /// Make dead and scheduled tasks ready at once; dead ones start anew. Tasks named by ids: all or none
    #[command(
        after_help = "A filter without --state selects dead letters.\n\nExamples:\n  omniq tasks retry 01987cf2-6d5e-7000-8000-00000000c0de\n  omniq tasks retry --queue mail --error Timeout          all dead ones with this error\n  omniq tasks list --state dead --all --json | jq -r '.tasks[] | select(.attempt < 3).id' | omniq tasks retry -"
    )]
    Retry(choice::Choice),
    /// Remove tasks that are not running, with no result. Tasks named by ids: all or none; by a filter: a page at a time
    #[command(
        after_help = "Examples:\n  omniq tasks delete 01987cf2-6d5e-7000-8000-00000000c0de\n  omniq tasks delete --state dead --func send_mail --dry-run"
    )]
    Delete(choice::Choice),
    /// Remove all tasks that a filter selects and that are not running, all or none, in one transaction
    #[command(
        after_help = "`omniq tasks delete` removes them a page at a time, which holds no lock for long.\n\nExamples:\n  omniq tasks purge --queue mail\n  omniq tasks purge --all --yes"
    )]
    Purge(choice::ByFilter),
    /// Add a task, to try things out
    #[command(
        after_help = "Examples:\n  omniq tasks enqueue add '[1, 2]'\n  omniq tasks enqueue send_mail '{\"to\": \"ann\"}' --queue mail --delay 10m\n  omniq tasks enqueue report --after $(omniq tasks enqueue fetch '\"a\"')"
    )]
    Enqueue(enqueue::EnqueueArgs),
}

pub async fn run(args: &TasksArgs, global: &Global, out: &Output) -> Result<()> {
    match &args.command {
        TasksCommand::List(args) => list::run(args, global, out).await,
        TasksCommand::Show { id } => show_task(*id, global, out).await,
        TasksCommand::Update(args) => update::run(args, global, out).await,
        TasksCommand::Cancel(choice) => match choice.chosen()? {
            Chosen::Ids(ids) => act::cancel(&ids, global, out).await,
            Chosen::All(filter, sure) => bulk::cancel(&filter, sure, global, out).await,
        },
        TasksCommand::Retry(choice) => match choice.chosen()? {
            Chosen::Ids(ids) => act::retry(&ids, global, out).await,
            Chosen::All(filter, sure) => bulk::retry(&filter, sure, global, out).await,
        },
        TasksCommand::Delete(choice) => match choice.chosen()? {
            Chosen::Ids(ids) => act::delete(&ids, global, out).await,
            Chosen::All(filter, sure) => bulk::delete(&filter, sure, false, global, out).await,
        },
        TasksCommand::Purge(choice) => {
            bulk::delete(&choice.all.filter(), &choice.all.sure, true, global, out).await
        }
        TasksCommand::Enqueue(args) => enqueue::run(args, global, out).await,
    }
}

async fn show_task(id: TaskId, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let whole = show::Whole::of(&backend, id, out).await?;
        if whole.is_nothing() {
            return Err(Failure::not_found(format!(
                "task {id} is not in the queue, and has no result and no events (any more)"
            )));
        }
        whole.show(out)
    })
    .await
}

pub use enqueue::arguments;
pub use list::tint;
pub use unique::UniqueArgs;
