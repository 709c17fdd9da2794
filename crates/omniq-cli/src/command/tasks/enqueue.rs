//! `omniq tasks enqueue`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use omniq::{Codec, IfFailed, Limits, NewTask, Payload, TaskId};

use super::unique::UniqueArgs;
use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Failure, Result};
use crate::output::Output;
use crate::record::compact;
use crate::span;

#[derive(Debug, Args)]
pub struct EnqueueArgs {
    /// The function's name, as a worker has registered it
    func: String,
    /// Its arguments as JSON; null means none
    #[arg(default_value = "null", value_name = "JSON")]
    args: String,
    /// The queue
    #[arg(long, default_value = "default")]
    queue: String,
    /// Higher first, from -32768 to 32767
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i16,
    /// Start not before this span from now, such as 30s, 10m or 2h
    #[arg(long, value_name = "SPAN", value_parser = span::duration, conflicts_with = "run_at")]
    delay: Option<Duration>,
    /// Start not before this time, such as 2026-11-24T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = span::instant)]
    run_at: Option<Timestamp>,
    /// Drop it if it has not started within this span from its start time
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    ttl: Option<Duration>,
    /// How many times the task is retried after a failure
    #[arg(long, default_value_t = 3)]
    max_retries: u32,
    /// The longest that a run may take
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    timeout: Option<Duration>,
    /// The id, instead of a new one
    #[arg(long)]
    id: Option<TaskId>,
    /// Run it after this task has ended; can be given several times
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    after: Vec<TaskId>,
    /// If one of those does not complete: end (share its fate) or run
    #[arg(long, value_name = "POLICY", requires = "after", default_value = "end")]
    if_failed: IfFailed,
    #[command(flatten)]
    unique: UniqueArgs,
}

pub async fn run(args: &EnqueueArgs, global: &Global, out: &Output) -> Result<()> {
    let mut task =
        NewTask::with_payload(&args.func, arguments(&args.args)?).queue(&args.queue).priority(args.priority);
    task = task.max_retries(args.max_retries);
    (task.id, task.delay, task.run_at) = (args.id, args.delay, args.run_at);
    (task.ttl, task.timeout, task.unique) = (args.ttl, args.timeout, args.unique.unique());
    if !args.after.is_empty() {
        task = task.after(args.after.iter().copied()).if_failed(args.if_failed);
    }
    // Checked before a wait for a server that is away. The settings limit the size of arguments, so it is not checked here.
    let mut limits = Limits::default();
    limits.max_payload = usize::MAX;
    task.check(&limits)?;

    let backend = Database::find(global, out)?.work().await?;
    let enqueued = backend.enqueue_unique(task).await;
    let closed = backend.close().await;
    let enqueued = enqueued?;
    closed?;
    let (id, name) = (enqueued.id(), enqueued.name());
    if out.is_json() {
        return out.json(&serde_json::json!({ "id": id, "enqueued": name }));
    }
    if !enqueued.is_new() {
        out.note(format!("A task with this key is there already: {name}"));
    }
    out.line(id.to_string())
}

/// Arguments as a user types them.
pub fn arguments(text: &str) -> Result<Payload> {
    // Parsed only to find mistakes, and what a worker could not read: the text itself is stored, so that its numbers stay as they
    // were written.
    let _: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!(
            "the arguments are no JSON that every worker can read ({error}): write '[1, 2]' or '{{\"name\": \"ann\"}}', with numbers \
             within ±1.8e308 and at most 127 levels"
        ))
    })?;
    Ok(Payload::new(Codec::Json, compact(text).into_bytes()))
}
