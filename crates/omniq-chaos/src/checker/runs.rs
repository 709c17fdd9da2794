//! Runs: never two of one task at once, never more than its retries allow, never after its end, always with the latest
//! arguments.

use super::Verdict;
use super::act::{Kind, Sure};
use super::record::{History, Run, TaskRecord};
use crate::clock::{Nanos, SECOND, seconds};

pub fn check(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    overlaps(record, history, verdict);
    number(record, history, verdict);
    after_its_end(record, history, verdict);
    for run in &record.runs {
        if !versions(record, run.begun).contains(&run.v) {
            let (who, v) = (run.who, run.v);
            verdict.breaks(
                record.n,
                "answers are true",
                format!("{who} ran it with version {v} of its arguments, which had been replaced"),
            );
        }
    }
}

/// A worker that loses its lease stops its runs by itself. Only one that was suspended may be late.
fn overlaps(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    for (place, first) in record.runs.iter().enumerate() {
        for second in &record.runs[place + 1..] {
            let over = history.end(first).unwrap_or(Nanos::MAX);
            let from = first.begun.saturating_sub(SECOND);
            if over <= second.begun
                || history.frozen(first.who, from, second.begun)
                || history.frozen_at_its_end(first.who, second.begun)
                // The second worker was late: it had claimed the task before and was suspended.
                || history.frozen(second.who, from, second.begun)
            {
                continue;
            }
            let by = match history.end(first) {
                Some(over) => format!("{:.3} s", seconds(over - second.begun)),
                None => "without end".to_owned(),
            };
            let what = format!(
                "{} (attempt {}) and {} (attempt {}) ran it at once, for {by}",
                first.who, first.attempt, second.who, second.attempt
            );
            verdict.breaks(record.n, "one run at a time", what);
        }
    }
}

fn number(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let most = record.spec.max_retries + 1;
    let again = record.acts.iter().filter(|act| act.kind == Kind::Retry && act.sure != Sure::No).count();
    // A run that was broken off, snoozed, or released at the end of a worker was not counted, or is counted by another worker.
    let counted = |run: &&Run<'_>| {
        let asked_to_stop = history.lives.get(run.who).is_some_and(|life| life.asked_to_stop.is_some());
        matches!(run.ended, Some((_, "value" | "error"))) && !asked_to_stop
    };
    let runs = record.runs.iter().filter(counted).count();
    if runs > (most as usize) * (1 + again) {
        verdict.breaks(record.n, "retries are limited", format!("{runs} runs, {most} are allowed"));
    }
    if let Some(run) = record.runs.iter().find(|run| run.attempt > most) {
        verdict.breaks(record.n, "retries are limited", format!("attempt {} of {most}", run.attempt));
    }
}

/// After a verb has answered that the task is removed, no run begins.
fn after_its_end(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    for act in record.acts.iter().filter(|act| act.removed()) {
        for run in record.runs.iter().filter(|run| run.begun > act.answered) {
            if !history.frozen(run.who, act.asked.saturating_sub(SECOND), run.begun) {
                let after = seconds(run.begun - act.answered);
                let what = format!("{} began it {after:.3} s after {:?} had answered", run.who, act.kind);
                verdict.breaks(record.n, "gone is gone", what);
            }
        }
    }
}

/// The versions of the arguments that a run at this time may get: those of updates that were asked for before, unless
/// another update had surely replaced them by then.
pub fn versions(record: &TaskRecord<'_>, at: Nanos) -> Vec<u64> {
    let updates: Vec<_> = record
        .acts
        .iter()
        .filter_map(|act| match act.kind {
            Kind::Update { v } if act.sure != Sure::No && act.asked < at => Some((v, act)),
            _ => None,
        })
        .collect();
    let replaced = |since: Nanos| {
        updates.iter().any(|(_, act)| act.sure == Sure::Done && act.answered < at && act.asked > since)
    };
    let mut versions: Vec<_> =
        updates.iter().filter(|(_, act)| !replaced(act.answered)).map(|(v, _)| *v).collect();
    if !replaced(0) {
        versions.push(0);
    }
    versions
}
