//! `omniq queues`: the queues and their figures; pause and resume.

use clap::{Args, Subcommand};

use super::with_backend;
use crate::args::Global;
use crate::fail::Result;
use crate::output::{Output, Tint, count};
use crate::record::{self, QueueRecord};

const HELP: &str = "\
Without a further word: all queues that hold tasks or are paused.

  ready      may be claimed now            running  held by workers
  scheduled  wait for their time           dead     failed for good, kept to be looked at and retried

Examples:
  omniq queues
  omniq queues --json | jq '.[] | select(.dead > 0) | .name'
  omniq queues pause mail        no further claims; enqueue and running tasks go on
  omniq queues resume mail";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct QueuesArgs {
    #[command(subcommand)]
    command: Option<QueuesCommand>,
}

#[derive(Debug, Subcommand)]
enum QueuesCommand {
    /// Stop claims from a queue
    #[command(after_help = "Example:\n  omniq queues pause mail")]
    Pause {
        /// The queue
        name: String,
    },
    /// Allow claims from a queue again
    #[command(after_help = "Example:\n  omniq queues resume mail")]
    Resume {
        /// The queue
        name: String,
    },
}

pub async fn run(args: &QueuesArgs, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| match &args.command {
        None => {
            let queues = backend.queue().queues().await?;
            if out.is_json() {
                return out.json(&record::all::<_, QueueRecord<'_>>(&queues));
            }
            if queues.is_empty() {
                return out.line("No tasks in any queue.");
            }
            let headers =
                ["queue", "ready", "scheduled", "blocked", "running", "dead", "completed", "claims"];
            let mut table = out.table(&headers).right(&[1, 2, 3, 4, 5, 6]);
            for queue in &queues {
                table.tinted([
                    (queue.name.clone(), None),
                    (count(queue.ready), None),
                    (count(queue.scheduled), None),
                    (count(queue.blocked), None),
                    (count(queue.running), None),
                    (count(queue.dead), (queue.dead > 0).then_some(Tint::Bad)),
                    (count(queue.completed), None),
                    if queue.paused { ("paused".into(), Some(Tint::Wait)) } else { ("open".into(), None) },
                ]);
            }
            out.line(table.render())
        }
        Some(QueuesCommand::Pause { name }) => {
            backend.queue().pause(name).await?;
            said(out, name, true)
        }
        Some(QueuesCommand::Resume { name }) => {
            backend.queue().resume(name).await?;
            said(out, name, false)
        }
    })
    .await
}

fn said(out: &Output, name: &str, paused: bool) -> Result<()> {
    if out.is_json() {
        return out.json(&serde_json::json!({ "name": name, "paused": paused }));
    }
    let word = if paused { "paused: running tasks go on, no others are claimed" } else { "open" };
    out.line(format!("Queue {name} is {word}."))
}
