//! The fate of each task: nothing is lost, nothing exists twice, and each end is a promised one.

use super::Verdict;
use super::act::{Kind, Sure};
use super::record::{History, TaskRecord};
use crate::history::Answer;

/// What the answers of its enqueues prove.
#[derive(Debug, PartialEq)]
enum Exists {
    Surely,
    SurelyNot,
    Perhaps,
}

pub fn check(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let n = record.n;
    if record.ids.len() > 1 {
        verdict.breaks(n, "once", format!("it exists under several ids: {:?}", record.ids));
    }
    if record.rows.len() > 1 || record.results.len() > 1 {
        let (rows, results) = (record.rows.len(), record.results.len());
        verdict.breaks(n, "once", format!("{rows} rows and {results} results"));
        return;
    }
    let seen = !(record.runs.is_empty() && record.rows.is_empty() && record.results.is_empty());
    match exists(record) {
        Exists::SurelyNot if seen => {
            verdict.breaks(n, "refused is refused", "it is there, though its enqueue was refused")
        }
        Exists::Surely => end(record, history, verdict),
        Exists::Perhaps if seen => end(record, history, verdict),
        _ => {}
    }
}

fn exists(record: &TaskRecord<'_>) -> Exists {
    let mut all_refused = true;
    let mut tried = false;
    for enqueue in &record.enqueues {
        match enqueue.answer {
            Some((_, Answer::Ids { .. })) => return Exists::Surely,
            // The same ids were sent before, so an earlier attempt stored them.
            Some((_, Answer::Refused { kind, .. })) if kind == "duplicate" && tried => return Exists::Surely,
            Some((_, Answer::Refused { .. })) => {}
            _ => all_refused = false,
        }
        tried = true;
    }
    if all_refused { Exists::SurelyNot } else { Exists::Perhaps }
}

fn end(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let n = record.n;
    let result = record.results.first();
    let row = record.rows.first();
    let may_be_removed = record.acts.iter().any(super::act::Act::may_remove);
    if record.acts.iter().filter(|act| act.removed()).count() > 1 {
        verdict.breaks(n, "answers are true", "two verbs say that they removed it");
    }
    let taken = |kind: Kind| record.acts.iter().any(|act| act.kind == kind && act.sure == Sure::Done);
    match (result.map(|result| &*result.status), row.map(|row| &*row.state)) {
        (None, None) if !may_be_removed => {
            verdict.breaks(n, "nothing is lost", "it is gone without a trace, and no verb named it");
        }
        (None, None) if taken(Kind::Cancel) => {
            verdict.breaks(n, "ends are recorded", "it was cancelled (answer: done), but has no result");
        }
        (None, None) => {}
        (None, Some("dead")) => verdict.breaks(n, "ends are recorded", "it is dead, but has no result"),
        // A task that still waits is reported by the check of the tables.
        (None, Some(_)) => {}
        (Some("failed"), Some("dead")) => {}
        (Some("failed"), None) if !may_be_removed => {
            verdict.breaks(n, "nothing is lost", "it failed for good, and its dead letter is gone");
        }
        (Some("failed"), None) => {}
        (Some(status), Some(state)) if state == "dead" || status != "failed" => {
            verdict.breaks(n, "once", format!("it is {state} in the queue, and its result says {status}"));
        }
        (Some(_), _) => {}
    }
    if let Some(status) = result.map(|result| &*result.status) {
        if taken(Kind::Cancel) && status != "cancelled" {
            verdict.breaks(
                n,
                "answers are true",
                format!("it was cancelled (answer: done), and its result says {status}"),
            );
        }
        if taken(Kind::Delete) && status != "failed" {
            verdict.breaks(n, "answers are true", format!("it was deleted, and its result says {status}"));
        }
    }
    if row.is_some() && (taken(Kind::Cancel) || taken(Kind::Delete)) {
        verdict.breaks(n, "answers are true", "it was removed, and is in the queue");
    }
    as_its_kind(record, history, verdict);
}

/// Whether the result is one that its function and its options allow.
fn as_its_kind(record: &TaskRecord<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let (n, spec) = (record.n, record.spec);
    let Some(result) = record.results.first() else { return };
    let attempt = result.attempt.unsigned_abs();
    match &*result.status {
        "completed" => {
            let given = result.value["run"].as_str().and_then(|run| run.parse().ok());
            let run = record.runs.iter().find(|run| Some(run.id) == given);
            let Some(run) = run else {
                return verdict.breaks(
                    n,
                    "results are true",
                    format!("its value is of no run of it: {}", result.value),
                );
            };
            if result.value["n"].as_u64() != Some(n) {
                verdict.breaks(
                    n,
                    "results are true",
                    format!("its value is another task's: {}", result.value),
                );
            }
            if run.attempt != attempt {
                verdict.breaks(
                    n,
                    "results are true",
                    format!("attempt {attempt}, but the value is of attempt {}", run.attempt),
                );
            }
            // A payment is done at its commit, whatever the end of its run.
            if spec.func != "pay" && !matches!(run.ended, Some((_, "value"))) {
                verdict.breaks(
                    n,
                    "results are true",
                    format!("its value is of a run that ended otherwise: {:?}", run.ended),
                );
            }
            if spec.func == "drop" || (spec.func == "flaky" && attempt <= spec.fails) {
                verdict.breaks(n, "results are true", "it completed, though its run did not");
            }
            late(record, history, run.id, verdict);
        }
        "failed" if attempt != spec.max_retries + 1 => {
            let most = spec.max_retries + 1;
            verdict.breaks(
                n,
                "retries are used",
                format!("failed for good at attempt {attempt} of {most}: {}", result.error),
            );
        }
        "failed" => {}
        "cancelled" if record.acts.iter().any(|act| act.kind == Kind::Cancel && act.sure != Sure::No) => {}
        "expired" if spec.ttl => {}
        "discarded" if spec.func == "drop" => {}
        status => {
            verdict.breaks(n, "no verb, no change", format!("it is {status}, and nothing asked for that"))
        }
    }
}

/// A completion of a run must not count if another run had begun meanwhile. Once one has counted, no further run begins.
fn late(record: &TaskRecord<'_>, history: &History<'_>, counted: uuid::Uuid, verdict: &mut Verdict) {
    let Some(run) = record.runs.iter().find(|run| run.id == counted) else { return };
    let Some(end) = history.end(run) else { return };
    for other in record.runs.iter().filter(|other| other.id != counted && other.begun > run.begun) {
        if history.frozen(other.who, run.begun.saturating_sub(crate::clock::SECOND), other.begun) {
            continue;
        }
        let (who, first) = (other.who, run.who);
        if other.begun < end && record.spec.func != "pay" {
            let what =
                format!("the run on {first} counted, though {who} had begun it again before that one ended");
            verdict.breaks(record.n, "late finishes are refused", what);
        } else if other.begun > end {
            verdict.breaks(
                record.n,
                "done is done",
                format!("{who} began it after the run on {first} had ended, which counted"),
            );
        }
    }
}
