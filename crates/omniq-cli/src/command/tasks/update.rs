//! `omniq tasks update`.

use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use omniq::{Limits, TaskId, TaskUpdate};

use super::super::with_backend;
use super::enqueue::arguments;
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::Output;
use crate::record::TaskRecord;
use crate::span;

const CHANGES: [&str; 7] = ["queue", "priority", "run_at", "delay", "max_retries", "args", "metadata"];

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(CHANGES))]
pub struct UpdateArgs {
    /// The task's id
    id: TaskId,
    /// Another queue
    #[arg(long)]
    queue: Option<String>,
    /// Another priority, from -32768 to 32767; higher first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i16>,
    /// Another start time, such as 2026-11-24T10:00:00Z; one that has passed means at once
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    run_at: Option<Timestamp>,
    /// Start not before this span from now, such as 30s, 10m or 2h; 0 means at once
    #[arg(long, value_name = "SPAN", value_parser = span::duration, conflicts_with = "run_at")]
    delay: Option<Duration>,
    /// Another number of retries after a failure
    #[arg(long)]
    max_retries: Option<u32>,
    /// Other arguments, as JSON
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// Other metadata, a JSON object, in place of all that it has
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<Object>,
}

type Object = serde_json::Map<String, serde_json::Value>;

fn object(text: &str) -> std::result::Result<Object, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("{error}: give a JSON object, such as {{\"tenant\": \"acme\"}}"))
}

pub async fn run(args: &UpdateArgs, global: &Global, out: &Output) -> Result<()> {
    let mut change = TaskUpdate {
        queue: args.queue.clone(),
        priority: args.priority,
        run_at: args.run_at,
        max_retries: args.max_retries,
        payload: args.args.as_deref().map(arguments).transpose()?,
        metadata: args.metadata.clone(),
    };
    if let Some(delay) = args.delay {
        let start = Timestamp::now().checked_add(delay);
        change.run_at = Some(start.map_err(|_| Failure::usage(format!("--delay {delay:?} is too long")))?);
    }
    // Checked before a wait for a server that is away. The settings limit the size of arguments, so it is not checked here.
    let mut limits = Limits::default();
    limits.max_payload = usize::MAX;
    change.check(&limits)?;
    with_backend(global, out, async |backend| {
        let task = backend.queue().update(args.id, change).await?;
        if out.is_json() {
            return out.json(&TaskRecord::from(&task));
        }
        out.line(format!("{} is {} in queue {}.", task.id, task.state, crate::output::printable(&task.queue)))
    })
    .await
}
