//! The report at the end: figures, faults and verdict; on failure, for each kind of broken promise, the history of one task.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::args::Args;
use crate::checker::{self, Broken, Facts, Verdict};
use crate::clock::{Nanos, seconds};
use crate::fallible::Fallible;
use crate::history::{Answer, Call, Line, What};
use crate::part::Part;

/// How many lines of a history are shown.
const LINES: usize = 40;

/// The run in a few lines.
pub fn summary(args: &Args, done: &[(Part, bool)], verdict: &Verdict, lines: &[Line], took: f64) -> String {
    let mut text = String::new();
    let figures: Vec<_> = verdict.figures.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let _ = writeln!(text, "{} in {took:.0} s", figures.join(", "));
    let mut faults: BTreeMap<Part, (u32, u32)> = BTreeMap::new();
    for (part, done) in done {
        let counts = faults.entry(*part).or_default();
        if *done { counts.0 += 1 } else { counts.1 += 1 }
    }
    let shown = faults.iter().map(|(part, (done, not))| {
        let not = if *not > 0 { format!(" ({not} could not)") } else { String::new() };
        format!("{done} {}{not}", part.name())
    });
    let _ = writeln!(text, "{} faults: {}", done.len(), shown.collect::<Vec<_>>().join(", "));
    let mut answers: BTreeMap<&str, u32> = BTreeMap::new();
    for line in lines {
        match &line.what {
            What::Answered { answer: Answer::Refused { kind, .. }, .. } => {
                *answers.entry(kind).or_default() += 1
            }
            What::Answered { answer: Answer::Unknown { .. }, .. } => {
                *answers.entry("unknown").or_default() += 1
            }
            _ => {}
        }
    }
    let shown: Vec<_> = answers.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let _ = writeln!(
        text,
        "calls that failed: {}",
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    );
    let _ = match verdict.broken.len() {
        0 => writeln!(text, "seed {}: every promise was kept", args.seed),
        count => writeln!(text, "seed {}: {count} BROKEN PROMISES", args.seed),
    };
    text
}

/// For each kind of broken promise: how often it was broken, and the whole history of one task.
pub fn details(verdict: &Verdict, lines: &[Line], facts: &Facts, begun: Nanos) -> String {
    let mut kinds: BTreeMap<&str, Vec<&Broken>> = BTreeMap::new();
    for broken in &verdict.broken {
        kinds.entry(broken.promise).or_default().push(broken);
    }
    let mut text = String::new();
    for (promise, all) in kinds {
        let _ = writeln!(text, "\n✗ {promise}: {} times", all.len());
        for broken in all.iter().take(5) {
            let task = broken.n.map(|n| format!("task {n}: ")).unwrap_or_default();
            let _ = writeln!(text, "  {task}{}", broken.what);
        }
        // The shortest history shows the fault most clearly.
        let histories = all.iter().filter_map(|broken| broken.n).take(20);
        let shortest =
            histories.map(|n| (n, checker::history_of(n, lines, facts))).min_by_key(|(_, lines)| lines.len());
        if let Some((n, history)) = shortest {
            let _ = writeln!(text, "  the history of task {n}:");
            for line in history.iter().take(LINES) {
                let _ = writeln!(text, "    {}", shown(line, n, begun));
            }
            if history.len() > LINES {
                let _ = writeln!(text, "    … {} lines more", history.len() - LINES);
            }
        }
    }
    text
}

fn shown(line: &Line, n: u64, begun: Nanos) -> String {
    let what = match &line.what {
        What::Asked { op, call: Call::Enqueue { first, count, spec, ids, inside } } => format!(
            "[{op}] enqueue {count} tasks, this is number {} of them, {spec:?}, ids chosen: {}, in a transaction: {inside}",
            n - first + 1,
            !ids.is_empty()
        ),
        What::Asked { op, call: Call::Cancel { ids } } => format!("[{op}] cancel {} tasks", ids.len()),
        What::Asked { op, call: Call::Delete { ids } } => format!("[{op}] delete {} tasks", ids.len()),
        What::Asked { op, call: Call::Retry { ids } } => format!("[{op}] retry {} tasks", ids.len()),
        What::Asked { op, call } => format!("[{op}] {call:?}"),
        What::Answered { op, answer: Answer::Ids { ids } } => format!("[{op}] → {} ids", ids.len()),
        What::Answered { op, answer: Answer::Each { each } } if each.len() > 3 => {
            format!("[{op}] → {} answers", each.len())
        }
        What::Answered { op, answer } => format!("[{op}] → {answer:?}"),
        What::Begun { run, attempt, v, .. } => {
            format!("run {} begins, attempt {attempt}, version {v}", short(*run))
        }
        What::Ended { run, how } => format!("run {} ends: {how}", short(*run)),
        What::Fault { fault, until, note, .. } => {
            format!("FAULT {fault} until {:.3} {note}", seconds(until.saturating_sub(begun)))
        }
    };
    let who = match &line.what {
        What::Fault { target: Some(target), .. } => target,
        _ => &line.who,
    };
    format!("{:9.3} {who:<13} {what}", seconds(line.at.saturating_sub(begun)))
}

fn short(id: uuid::Uuid) -> String {
    id.simple().to_string()[..8].to_owned()
}

/// Writes the report beside the histories.
pub fn keep(folder: &Path, text: &str) -> Fallible {
    Ok(std::fs::write(folder.join("report.txt"), text)?)
}
