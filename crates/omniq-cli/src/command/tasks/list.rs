//! `omniq tasks list`.

use clap::Args;
use jiff::Timestamp;
use omniq::{Task, TaskFilter, TaskId, TaskState};

use super::super::listing::{Listing, More, PAGE, cut};
use super::super::with_backend;
use super::which::Which;
use crate::args::Global;
use crate::fail::Result;
use crate::output::{Output, Tint, ago, shorten};
use crate::record::{self, TaskRecord};

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    which: Which,
    /// At most this many; if there are more, a note on stderr and `more` in JSON say so
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Continue after this task: the last one of the previous page
    #[arg(long, value_name = "ID")]
    after: Option<TaskId>,
}

pub async fn run(args: &ListArgs, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let limit = Some(args.limit.saturating_add(1));
        let mut filter = TaskFilter { after: args.after, limit, ..args.which.filter() };
        let listing = Listing {
            out,
            json: |tasks| Ok(serde_json::to_string(&record::all::<_, TaskRecord<'_>>(tasks))?),
            table,
            name: "tasks",
            none: "No such tasks in the queue. What completed has left it: see `omniq results list`.",
        };
        if args.all {
            filter.limit = Some(PAGE);
            return listing
                .all(async |last: Option<&Task>| {
                    filter.after = last.map(|last| last.id).or(filter.after);
                    Ok(backend.queue().list(&filter).await?)
                })
                .await;
        }
        let mut tasks = backend.queue().list(&filter).await?;
        let more = cut(&mut tasks, args.limit);
        let more = tasks.last().filter(|_| more).map(|last| More::After(last.id.to_string()));
        listing.page(&tasks, more)
    })
    .await
}

fn table(tasks: &[Task], out: &Output) -> String {
    let now = Timestamp::now();
    let headers = ["id", "queue", "func", "state", "prio", "attempt", "when", "error"];
    let mut table = out.table(&headers).right(&[4, 5]);
    for task in tasks {
        // The time that says most about each state.
        let when = match task.state {
            TaskState::Scheduled => format!("due {}", ago(task.run_at, now)),
            TaskState::Running => format!("began {}", ago(task.claimed_at.unwrap_or(task.created_at), now)),
            _ => format!("made {}", ago(task.created_at, now)),
        };
        let error = task.error.as_ref();
        let error = error.map_or_else(String::new, |error| format!("{}: {}", error.kind, error.message));
        table.tinted([
            (task.id.to_string(), None),
            (task.queue.clone(), None),
            (task.func.clone(), None),
            (task.state.to_string(), tint(task.state)),
            (task.priority.to_string(), None),
            (format!("{}/{}", task.attempt, u64::from(task.max_retries) + 1), None),
            (when, None),
            (shorten(&error, 80), None),
        ]);
    }
    table.render()
}

pub fn tint(state: TaskState) -> Option<Tint> {
    match state {
        TaskState::Dead => Some(Tint::Bad),
        TaskState::Running | TaskState::Completed => Some(Tint::Good),
        TaskState::Scheduled | TaskState::Blocked => Some(Tint::Wait),
        _ => None,
    }
}
