//! Events: in the right order, and one for each end.

use std::collections::HashMap;

use uuid::Uuid;

use super::Verdict;
use super::act::{Kind, Sure};
use super::facts::{Event, Facts};
use super::record::{History, Run};
use crate::clock::{Nanos, SECOND};

/// No process is suspended for longer.
const STANDSTILL: Nanos = 10 * SECOND;

/// Completions wait no longer than this for room in the event store.
const LACK: Nanos = 15 * SECOND;

pub fn check(history: &History<'_>, facts: &Facts, verdict: &mut Verdict) {
    let mut by_task: HashMap<Uuid, Vec<&Event>> = HashMap::new();
    for event in &facts.events {
        by_task.entry(event.task).or_default().push(event);
    }
    for record in history.records.values() {
        let Some(id) = record.ids.first() else { continue };
        let events = by_task.get(id).map(Vec::as_slice).unwrap_or_default();
        let place = |kind: &str| events.iter().position(|event| event.kind == kind);
        if place("enqueued").is_some_and(|place| place > 0) {
            verdict.breaks(
                record.n,
                "enqueued comes first",
                format!("`enqueued` comes behind: {}", kinds(events)),
            );
        }
        // A dead letter that a user retries begins again with attempt 1, and no event says so.
        let again = record.acts.iter().any(|act| act.kind == Kind::Retry && act.sure != Sure::No);
        // A worker that was suspended between claiming a task and beginning it learns too late that its lease is over.
        let stood_still = |event: &Event| {
            let late =
                |run: &Run<'_>| history.frozen(run.who, run.begun.saturating_sub(STANDSTILL), run.begun);
            record.runs.iter().any(|run| i64::from(run.attempt) == i64::from(event.attempt) && late(run))
        };
        let begins_late = |(place, event): (usize, &&Event)| {
            event.kind == "started"
                && !again
                && !stood_still(event)
                && events[..place].iter().any(|other| is_end(other) && other.attempt == event.attempt)
                // The same attempt may begin again after a run that was not counted.
                && !events[..place].iter().any(|other| matches!(&*other.kind, "released" | "snoozed"))
        };
        if events.iter().enumerate().any(begins_late) {
            verdict.breaks(
                record.n,
                "events in order",
                format!("`started` comes behind its end: {}", kinds(events)),
            );
        }
        // A worker that stops does not wait for room in the event store until its lease is over, so the event of its
        // end may be missing.
        let stopped = |run: &Run<'_>| {
            let asked_to_stop = history.lives.get(run.who).and_then(|life| life.asked_to_stop);
            asked_to_stop.zip(run.ended).is_some_and(|(history, (ended, _))| ended.abs_diff(history) < LACK)
        };
        let without = record.runs.last().is_some_and(stopped);
        if let Some(result) =
            record.results.first().filter(|result| place(&result.status).is_none() && !without)
        {
            let what = format!("no event of its end ({}): {}", result.status, kinds(events));
            verdict.breaks(record.n, "ends are recorded", what);
        }
    }
    verdict.figure("events", facts.events.len());
}

/// Leaves out the events of a rescue, even its last one, because events that the lost worker had sent before may be
/// written after them.
fn is_end(event: &Event) -> bool {
    !event.rescue && matches!(&*event.kind, "completed" | "failed" | "retried" | "cancelled" | "discarded")
}

fn kinds(events: &[&Event]) -> String {
    events.iter().map(|event| format!("{} {}", event.kind, event.attempt)).collect::<Vec<_>>().join(", ")
}
