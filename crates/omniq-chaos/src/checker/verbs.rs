//! Answers of verbs: each is true at some moment between call and return.

use super::Verdict;
use super::act::{Act, Kind, Sure};
use super::facts::Facts;
use super::record::{Asked, History, TaskRecord};
use crate::clock::Nanos;
use crate::history::{Answer, Call, Found};

pub fn check(record: &TaskRecord<'_>, _history: &History<'_>, verdict: &mut Verdict) {
    let Some(row) = record.rows.first() else { return };
    let v = row.arguments["v"].as_u64().unwrap_or(u64::MAX);
    if !super::runs::versions(record, Nanos::MAX).contains(&v) {
        verdict.breaks(
            record.n,
            "answers are true",
            format!("it is kept with version {v} of its arguments, which was replaced"),
        );
    }
}

/// Checks the answers that can be judged call by call.
pub fn check_bulks(history: &History<'_>, facts: &Facts, verdict: &mut Verdict) {
    for asked in &history.calls {
        let Some((answered, answer)) = asked.answer else { continue };
        match (asked.call, answer) {
            (Call::Get { id }, Answer::Task { found: Some(found) }) => {
                same(history, *id, found, None, verdict)
            }
            (Call::Update { id, v }, Answer::Task { found: Some(found) }) => {
                same(history, *id, found, Some(*v), verdict);
            }
            (Call::Get { id }, Answer::Task { found: None }) => {
                absent(history, &[*id], answered, asked, verdict)
            }
            (Call::Update { id, .. }, Answer::Refused { kind, .. }) if kind == "not_found" => {
                absent(history, &[*id], answered, asked, verdict);
            }
            (Call::Delete { ids } | Call::Retry { ids }, Answer::Refused { kind, .. })
                if kind == "not_found" =>
            {
                absent(history, ids, answered, asked, verdict);
            }
            (Call::Cancel { ids }, Answer::Each { each }) => {
                for (id, _) in ids.iter().zip(each).filter(|(_, word)| *word == "not_found") {
                    absent(history, &[*id], answered, asked, verdict);
                }
            }
            (_, Answer::Refused { kind, message }) if kind == "other" => {
                verdict.breaks(None, "errors are plain", format!("{:?}: {message}", asked.call));
            }
            _ => {}
        }
    }
    purges(history, facts, verdict);
}

fn same(history: &History<'_>, id: uuid::Uuid, found: &Found, v: Option<u64>, verdict: &mut Verdict) {
    let n = history.by_id.get(&id).copied();
    if found.id != id || Some(found.n) != n || v.is_some_and(|v| v != found.v) {
        verdict.breaks(
            n,
            "answers are true",
            format!("asked for task {id} (number {n:?}, version {v:?}), was given {found:?}"),
        );
    }
}

/// One of these tasks must have been absent at some moment before this: it had begun a run, or something may have removed it.
fn absent(
    history: &History<'_>,
    ids: &[uuid::Uuid],
    before: Nanos,
    asked: &Asked<'_>,
    verdict: &mut Verdict,
) {
    let records = ids.iter().filter_map(|id| history.records.get(history.by_id.get(id)?));
    let mut n = None;
    for record in records {
        let ran = record.runs.iter().any(|run| run.begun < before);
        // Claimed by a worker that was lost before it began the run, or before it received the claim.
        let lost = record.results.iter().any(|result| result.error.contains("worker_lost"));
        if ran || lost || record.acts.iter().any(|act: &Act| act.may_remove() && act.asked < before) {
            return;
        }
        n = Some(record.n);
    }
    let verb = match asked.call {
        Call::Get { .. } => "get",
        Call::Update { .. } => "update",
        Call::Delete { .. } => "delete",
        Call::Retry { .. } => "retry",
        _ => "cancel",
    };
    verdict.breaks(n, "answers are true", format!("{verb} did not find it, though it waited all the time"));
}

/// Compares what purges say that they removed with what is missing.
fn purges(history: &History<'_>, facts: &Facts, verdict: &mut Verdict) {
    let _ = facts;
    let (mut said, mut open) = (0, false);
    for asked in &history.calls {
        match (asked.call, asked.answer) {
            (Call::Purge { .. }, Some((_, Answer::Count { count }))) => said += *count as usize,
            (Call::Purge { .. }, Some((_, Answer::Refused { .. }))) => {}
            (Call::Purge { .. }, _) => open = true,
            _ => {}
        }
    }
    // A task that a purge may have removed: it is gone, or it failed and its dead letter is gone, and no other verb
    // says that it removed it.
    let (mut gone, mut perhaps) = (0, 0);
    for record in history.records.values().filter(|record| record.spec.queue == "purge") {
        let left =
            record.rows.is_empty() && record.results.first().is_none_or(|result| result.status == "failed");
        let answered =
            record.enqueues.iter().any(|enqueue| matches!(enqueue.answer, Some((_, Answer::Ids { .. }))));
        if !left || record.acts.iter().any(Act::removed) {
            continue;
        }
        if !answered || record.acts.iter().any(|act| act.sure == Sure::Maybe && act.kind == Kind::Delete) {
            perhaps += 1;
        } else {
            gone += 1;
        }
    }
    if said > gone + perhaps || (said < gone && !open) {
        let what = format!("purges removed {said} by their answers; {gone} are gone, {perhaps} more perhaps");
        verdict.breaks(None, "answers are true", what);
    }
}
