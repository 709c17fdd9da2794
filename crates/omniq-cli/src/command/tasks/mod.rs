//! `omniq tasks`: look at tasks, and act on them.

mod act;
mod choice;
mod enqueue;
mod list;

use clap::{Args, Subcommand};
use omniq::TaskId;

use super::{show, with_backend};
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::Output;

const HELP: &str = "\
A completed task leaves the queue: its result is the record (`omniq results`). What failed for
good stays as a dead letter, with its arguments and its error, until it is retried or deleted.

Examples:
  omniq tasks list --state dead
  omniq tasks list --queue mail --limit 20
  omniq tasks show 01987cf2-6d5e-7000-8000-00000000c0de
  omniq tasks retry --all --queue mail
  omniq tasks enqueue send_mail '[\"ann@example.org\"]' --queue mail --delay 10m";

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
        after_help = "Examples:\n  omniq tasks list --state dead\n  omniq tasks list --queue mail --func send_mail --limit 20"
    )]
    List(list::ListArgs),
    /// Show everything about a task: its fields, arguments, error, result and events
    #[command(after_help = "Example:\n  omniq tasks show 01987cf2-6d5e-7000-8000-00000000c0de")]
    Show {
        /// The task's id
        id: TaskId,
    },
    /// Cancel tasks: waiting ones leave the queue, running ones are asked to stop
    #[command(
        after_help = "Examples:\n  omniq tasks cancel 01987cf2-6d5e-7000-8000-00000000c0de\n  omniq tasks cancel --all --func send_mail --state scheduled"
    )]
    Cancel(choice::Choice),
    /// Make dead and scheduled tasks ready at once; dead ones start anew. Tasks named by ids: all or none
    #[command(
        after_help = "Examples:\n  omniq tasks retry 01987cf2-6d5e-7000-8000-00000000c0de\n  omniq tasks retry --all --queue mail          all dead ones of this queue\n  omniq tasks list --state dead --all --json | jq -r '.[] | select(.error.type == \"Timeout\").id' | omniq tasks retry -"
    )]
    Retry(choice::Choice),
    /// Add a task, to try things out
    #[command(
        after_help = "Examples:\n  omniq tasks enqueue add '[1, 2]'\n  omniq tasks enqueue send_mail '{\"to\": \"ann\"}' --queue mail --delay 10m"
    )]
    Enqueue(enqueue::EnqueueArgs),
}

pub async fn run(args: &TasksArgs, global: &Global, out: &Output) -> Result<()> {
    match &args.command {
        TasksCommand::List(args) => list::run(args, global, out).await,
        TasksCommand::Show { id } => show_task(*id, global, out).await,
        TasksCommand::Cancel(choice) => act::cancel(choice, global, out).await,
        TasksCommand::Retry(choice) => act::retry(choice, global, out).await,
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

pub use list::tint;
