//! Collects the records of all tasks from the histories of the processes and the facts in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::Verdict;
use super::acts;
use super::facts::Facts;
use super::record::{Asked, Enqueue, History, Life, Run, TaskRecord};
use crate::clock::Nanos;
use crate::history::{Answer, Call, Line, What};

pub fn collect<'a>(lines: &'a [Line], facts: &'a Facts, verdict: &mut Verdict) -> History<'a> {
    let calls = calls(lines);
    let mut records: BTreeMap<u64, TaskRecord<'a>> = BTreeMap::new();
    let mut by_id: HashMap<Uuid, u64> = HashMap::new();
    for asked in &calls {
        let Call::Enqueue { first, count, spec, ids, inside } = asked.call else { continue };
        let given = match asked.answer {
            Some((_, Answer::Ids { ids: given })) => given,
            _ => ids,
        };
        for i in 0..*count {
            let record = records.entry(first + i).or_insert_with(|| TaskRecord {
                n: first + i,
                spec,
                ids: BTreeSet::new(),
                enqueues: Vec::new(),
                runs: Vec::new(),
                acts: Vec::new(),
                rows: Vec::new(),
                results: Vec::new(),
            });
            record.enqueues.push(Enqueue { asked: asked.at, answer: asked.answer, inside: *inside });
            if let Some(id) = given.get(i as usize) {
                record.ids.insert(*id);
                by_id.insert(*id, first + i);
            }
        }
    }
    add_runs(lines, &mut records, &mut by_id, verdict);
    for row in &facts.rows {
        let n = row.arguments["n"].as_u64().or_else(|| by_id.get(&row.id).copied());
        match n.and_then(|n| records.get_mut(&n)) {
            Some(record) => {
                record.ids.insert(row.id);
                by_id.insert(row.id, record.n);
                record.rows.push(row);
            }
            None => verdict.breaks(
                None,
                "only what was enqueued",
                format!("a row of a task that was never enqueued: {row:?}"),
            ),
        }
    }
    for result in &facts.results {
        let n = result.value["n"].as_u64().or_else(|| by_id.get(&result.id).copied());
        match n.and_then(|n| records.get_mut(&n)) {
            Some(record) => {
                record.ids.insert(result.id);
                by_id.insert(result.id, record.n);
                record.results.push(result);
            }
            // The task's enqueue was not answered, and it ended without a run.
            None if matches!(&*result.status, "expired" | "cancelled" | "failed") => {}
            None => verdict.breaks(
                None,
                "only what was enqueued",
                format!("a result of no known task: {result:?}"),
            ),
        }
    }
    acts::add(&calls, &by_id, &mut records);
    verdict.figure("tasks", records.len());
    verdict.figure("runs", records.values().map(|record| record.runs.len()).sum());
    verdict.figure("verbs", calls.iter().filter(|asked| !matches!(asked.call, Call::Enqueue { .. })).count());
    History { records, by_id, lives: lives(lines), calls }
}

fn calls(lines: &[Line]) -> Vec<Asked<'_>> {
    let (mut calls, mut open) = (Vec::new(), HashMap::new());
    for line in lines {
        match &line.what {
            What::Asked { op, call } => {
                open.insert((&line.who, op), calls.len());
                calls.push(Asked { at: line.at, call, answer: None });
            }
            What::Answered { op, answer } => {
                if let Some(place) = open.remove(&(&line.who, op)) {
                    calls[place].answer = Some((line.at, answer));
                }
            }
            _ => {}
        }
    }
    calls
}

fn add_runs<'a>(
    lines: &'a [Line],
    records: &mut BTreeMap<u64, TaskRecord<'a>>,
    by_id: &mut HashMap<Uuid, u64>,
    verdict: &mut Verdict,
) {
    let mut places: HashMap<Uuid, (u64, usize)> = HashMap::new();
    for line in lines {
        match &line.what {
            What::Begun { run, task, n, v, attempt, .. } => {
                let Some(record) = records.get_mut(n) else {
                    verdict.breaks(
                        *n,
                        "only what was enqueued",
                        format!("a run of task {task}, which was never enqueued"),
                    );
                    continue;
                };
                record.ids.insert(*task);
                by_id.insert(*task, *n);
                places.insert(*run, (*n, record.runs.len()));
                let (id, who, begun) = (*run, &*line.who, line.at);
                record.runs.push(Run { id, who, begun, v: *v, attempt: *attempt, ended: None });
            }
            What::Ended { run, how } => {
                let place = places.get(run).and_then(|(n, place)| Some((records.get_mut(n)?, place)));
                if let Some((record, place)) = place {
                    record.runs[*place].ended = Some((line.at, how));
                }
            }
            _ => {}
        }
    }
}

fn lives(lines: &[Line]) -> HashMap<&str, Life> {
    let mut lives: HashMap<&str, Life> = HashMap::new();
    for line in lines {
        let What::Fault { fault, target: Some(target), until, .. } = &line.what else { continue };
        let life = lives.entry(target).or_default();
        match &**fault {
            "kill" => life.killed = Some(*until),
            "stop" => life.frozen.push((line.at, *until)),
            "term" => life.asked_to_stop = Some(line.at),
            _ => {}
        }
    }
    lives
}

impl History<'_> {
    /// Whether this process was suspended long enough to lose its lease, at some time within this span. At least a
    /// third of the lease is left when a process is suspended.
    pub fn frozen(&self, who: &str, from: Nanos, until: Nanos) -> bool {
        let enough = (crate::orders::LEASE / 3.0 * 1e9) as Nanos;
        self.lives.get(who).is_some_and(|life| {
            life.frozen.iter().any(|(a, b)| (*b).min(until).saturating_sub((*a).max(from)) >= enough)
        })
    }

    /// Whether it was suspended, however briefly, while it should have stopped its runs: in the last tenth of a lease
    /// that ended at this time, which includes a moment for delays of the machine.
    pub fn frozen_at_its_end(&self, who: &str, end: Nanos) -> bool {
        let from = end.saturating_sub((crate::orders::LEASE / 10.0 * 1e9) as Nanos);
        self.lives.get(who).is_some_and(|life| life.frozen.iter().any(|(a, b)| *a <= end && *b >= from))
    }

    /// When a run was certainly over.
    pub fn end(&self, run: &Run<'_>) -> Option<Nanos> {
        let killed = self.lives.get(run.who).and_then(|life| life.killed);
        run.ended.map(|(at, _)| at).or(killed)
    }
}

/// The lines that concern one task.
pub fn lines_of<'a>(n: u64, lines: &'a [Line], facts: &Facts) -> Vec<&'a Line> {
    let mut verdict = Verdict::default();
    let history = collect(lines, facts, &mut verdict);
    let Some(record) = history.records.get(&n) else { return Vec::new() };
    let runs: HashSet<_> = record.runs.iter().map(|run| run.id).collect();
    let whos: HashSet<_> = record.runs.iter().map(|run| run.who).collect();
    let mut ops = HashSet::new();
    lines
        .iter()
        .filter(|line| match &line.what {
            What::Asked { op, call } => {
                let concerned = match call {
                    Call::Enqueue { first, count, .. } => (*first..first + count).contains(&n),
                    Call::Cancel { ids } | Call::Delete { ids } | Call::Retry { ids } => {
                        ids.iter().any(|id| record.ids.contains(id))
                    }
                    Call::Update { id, .. } | Call::Get { id } => record.ids.contains(id),
                    Call::Purge { queue } => *queue == record.spec.queue,
                };
                concerned && ops.insert((&line.who, *op))
            }
            What::Answered { op, .. } => ops.contains(&(&line.who, *op)),
            What::Begun { run, .. } | What::Ended { run, .. } => runs.contains(run),
            What::Fault { target, .. } => target.as_ref().is_some_and(|target| whos.contains(&**target)),
        })
        .collect()
}
