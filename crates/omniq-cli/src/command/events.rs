//! `omniq events`: what happened to tasks, and when.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use omniq::{EventFilter, EventKind, TaskEvent, TaskId};
use serde_json::Value;

use super::listing::{Listing, More, PAGE, cut};
use super::{tail, with_backend};
use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::output::{Output, Tint, ago, shorten, stamp};
use crate::record::{self, EventRecord};
use crate::span;

const HELP: &str = "\
Events are a log beside the work: enqueued, started, completed, failed, retried, released,
snoozed, cancelled, expired, discarded, rescued, and kinds of your own. They are kept only where
the setting `events` turns them on (OMNIQ_EVENTS=postgres); on the embedded server they are on.

With --json a list is an object: \"events\", \"more\" (true if it was cut off), and \"next\", the
value of --after that goes on there, or null if what is left out came before.

Examples:
  omniq events list --kind failed --since 1h
  omniq events list --task 01987cf2-6d5e-7000-8000-00000000c0de
  omniq events tail --queue mail
  omniq events tail --json | jq -c 'select(.kind == \"failed\")'";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct EventsArgs {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// List the last events, the oldest of them first
    #[command(
        after_help = "Examples:\n  omniq events list --kind failed --since 1h\n  omniq events list --task 01987cf2-6d5e-7000-8000-00000000c0de"
    )]
    List {
        #[command(flatten)]
        which: Which,
        /// Only events since then: a span before now such as 10m, or a time
        #[arg(long, value_name = "TIME", value_parser = span::moment)]
        since: Option<Timestamp>,
        /// Only events before then, in the same forms
        #[arg(long, value_name = "TIME", value_parser = span::moment)]
        until: Option<Timestamp>,
        /// At most this many; if there are more, a note on stderr and `more` in JSON say so
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// All of them
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// The first events after this one, by its number, instead of the last ones
        #[arg(long, value_name = "NUMBER")]
        after: Option<i64>,
    },
    /// Show new events as they come, until it is stopped
    #[command(
        after_help = "Examples:\n  omniq events tail --queue mail\n  omniq events tail --json | jq -c 'select(.kind == \"failed\")'"
    )]
    Tail {
        #[command(flatten)]
        which: Which,
        /// How many of the last events to begin with
        #[arg(long, default_value_t = 10)]
        last: u32,
    },
}

#[derive(Debug, Args)]
pub struct Which {
    /// Only about this task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<EventKind>,
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only of the worker with this name
    #[arg(long)]
    worker: Option<String>,
}

impl Which {
    fn filter(&self) -> EventFilter {
        EventFilter {
            task_id: self.task,
            kind: self.kind.clone(),
            queue: self.queue.clone(),
            worker: self.worker.clone(),
            ..EventFilter::default()
        }
    }
}

pub async fn run(args: &EventsArgs, global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let Some(store) = backend.events() else {
            return Err(Failure::usage(
                "events are off: this database has no events. Programs write them with the setting events = postgres \
                 (OMNIQ_EVENTS=postgres)",
            ));
        };
        match &args.command {
            EventsCommand::List { which, since, until, limit, all, after } => {
                let mut filter = which.filter();
                (filter.since, filter.until, filter.after) = (*since, *until, *after);
                let listing = Listing {
                    out,
                    json: |events| Ok(serde_json::to_string(&record::all::<_, EventRecord<'_>>(events))?),
                    table,
                    name: "events",
                    none: "No such events.",
                };
                if *all {
                    filter.limit = Some(PAGE);
                    return listing
                        .all(async |last: Option<&TaskEvent>| {
                            filter.after = last.map(|last| last.id).or(filter.after);
                            Ok(store.query(&filter).await?)
                        })
                        .await;
                }
                (filter.latest, filter.limit) = (after.is_none(), Some(limit.saturating_add(1)));
                let mut events = store.query(&filter).await?;
                let more = if filter.latest {
                    // The query asked for one event more than the limit. The surplus one is the oldest.
                    events.reverse();
                    let more = cut(&mut events, *limit);
                    events.reverse();
                    more.then_some(More::Before)
                } else {
                    let more = cut(&mut events, *limit);
                    events.last().filter(|_| more).map(|last| More::After(last.id.to_string()))
                };
                listing.page(&events, more)
            }
            EventsCommand::Tail { which, last } => tail::follow(store.as_ref(), which.filter(), *last, out).await,
        }
    })
    .await
}

pub fn table(events: &[TaskEvent], out: &Output) -> String {
    let now = Timestamp::now();
    let mut table =
        out.table(&["number", "when", "kind", "task", "queue", "func", "worker", "data"]).right(&[0]);
    for event in events {
        let text = |value: &Option<String>| (value.clone().unwrap_or_default(), None);
        table.tinted([
            (event.id.to_string(), None),
            (ago(event.at, now), None),
            (event.kind.to_string(), tint(&event.kind)),
            (event.task_id.map_or_else(String::new, |id| id.to_string()), None),
            text(&event.queue),
            text(&event.func),
            text(&event.worker),
            (shorten(&data(event), 80), None),
        ]);
    }
    table.render()
}

/// An event as one line of a stream. It is not a table row, because the width of later events is unknown.
pub fn line(event: &TaskEvent, out: &Output) -> String {
    let kind = format!("{:<9}", event.kind.name());
    let kind = tint(&event.kind).map_or_else(|| kind.clone(), |tint| out.paint(&kind, tint));
    let task = event.task_id.map_or_else(|| "-".repeat(36), |id| id.to_string());
    let mut text = format!("{}  {kind}  {task}", out.paint(&stamp(event.at), Tint::Dim));
    for part in [event.queue.as_deref(), event.func.as_deref(), event.worker.as_deref()].into_iter().flatten()
    {
        text.push_str(&format!("  {}", crate::output::printable(part)));
    }
    format!("{text}  {}", crate::output::printable(&data(event))).trim_end().to_owned()
}

fn data(event: &TaskEvent) -> String {
    if event.data.is_empty() { String::new() } else { Value::Object(event.data.clone()).to_string() }
}

fn tint(kind: &EventKind) -> Option<Tint> {
    match kind {
        EventKind::Completed => Some(Tint::Good),
        EventKind::Failed => Some(Tint::Bad),
        EventKind::Retried | EventKind::Rescued | EventKind::Cancelled | EventKind::Expired => {
            Some(Tint::Wait)
        }
        _ => None,
    }
}
