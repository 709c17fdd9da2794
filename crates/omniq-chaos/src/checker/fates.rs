//! The fate of each task: nothing is lost, nothing exists twice, and each end is a promised one.

use super::Verdict;
use super::acts::{Kind, Sure};
use super::story::{History, Story};
use crate::history::Answer;

/// What the answers of its enqueues prove.
#[derive(Debug, PartialEq)]
enum Exists {
    Surely,
    SurelyNot,
    Perhaps,
}

pub fn check(story: &Story<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let n = story.n;
    if story.ids.len() > 1 {
        verdict.breaks(n, "once", format!("it exists under several ids: {:?}", story.ids));
    }
    if story.rows.len() > 1 || story.results.len() > 1 {
        let (rows, results) = (story.rows.len(), story.results.len());
        verdict.breaks(n, "once", format!("{rows} rows and {results} results"));
        return;
    }
    let seen = !(story.runs.is_empty() && story.rows.is_empty() && story.results.is_empty());
    match exists(story) {
        Exists::SurelyNot if seen => {
            verdict.breaks(n, "refused is refused", "it is there, though its enqueue was refused")
        }
        Exists::Surely => end(story, history, verdict),
        Exists::Perhaps if seen => end(story, history, verdict),
        _ => {}
    }
}

fn exists(story: &Story<'_>) -> Exists {
    let mut all_refused = true;
    let mut tried = false;
    for enqueue in &story.enqueues {
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

fn end(story: &Story<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let n = story.n;
    let result = story.results.first();
    let row = story.rows.first();
    let may_be_removed = story.acts.iter().any(super::acts::Act::may_remove);
    if story.acts.iter().filter(|act| act.removed()).count() > 1 {
        verdict.breaks(n, "answers are true", "two verbs say that they removed it");
    }
    let taken = |kind: Kind| story.acts.iter().any(|act| act.kind == kind && act.sure == Sure::Done);
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
    as_its_kind(story, history, verdict);
}

/// Whether the result is one that its function and its options allow.
fn as_its_kind(story: &Story<'_>, history: &History<'_>, verdict: &mut Verdict) {
    let (n, spec) = (story.n, story.spec);
    let Some(result) = story.results.first() else { return };
    let attempt = result.attempt.unsigned_abs();
    match &*result.status {
        "completed" => {
            let given = result.value["run"].as_str().and_then(|run| run.parse().ok());
            let run = story.runs.iter().find(|run| Some(run.id) == given);
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
            late(story, history, run.id, verdict);
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
        "cancelled" if story.acts.iter().any(|act| act.kind == Kind::Cancel && act.sure != Sure::No) => {}
        "expired" if spec.ttl => {}
        "discarded" if spec.func == "drop" => {}
        status => {
            verdict.breaks(n, "no verb, no change", format!("it is {status}, and nothing asked for that"))
        }
    }
}

/// A completion of a run must not count if another run had begun meanwhile. Once one has counted, no further run begins.
fn late(story: &Story<'_>, history: &History<'_>, counted: uuid::Uuid, verdict: &mut Verdict) {
    let Some(run) = story.runs.iter().find(|run| run.id == counted) else { return };
    let Some(end) = history.end(run) else { return };
    for other in story.runs.iter().filter(|other| other.id != counted && other.begun > run.begun) {
        if history.frozen(other.who, run.begun.saturating_sub(crate::clock::SECOND), other.begun) {
            continue;
        }
        let (who, first) = (other.who, run.who);
        if other.begun < end && story.spec.func != "pay" {
            let what =
                format!("the run on {first} counted, though {who} had begun it again before that one ended");
            verdict.breaks(story.n, "late finishes are refused", what);
        } else if other.begun > end {
            verdict.breaks(
                story.n,
                "done is done",
                format!("{who} began it after the run on {first} had ended, which counted"),
            );
        }
    }
}
