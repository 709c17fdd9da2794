//! The story of each task: everything that was asked, answered and observed about it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::Verdict;
use super::acts::{self, Act};
use super::facts::{Facts, Outcome, Row};
use crate::clock::Nanos;
use crate::history::{Answer, Call, Line, Spec, What};

#[derive(Debug)]
pub struct Run<'a> {
    pub id: Uuid,
    pub who: &'a str,
    pub begun: Nanos,
    pub v: u64,
    pub attempt: u32,
    pub ended: Option<(Nanos, &'a str)>,
}

/// One call that enqueues it.
#[derive(Debug)]
pub struct Enqueue<'a> {
    pub asked: Nanos,
    pub answer: Option<(Nanos, &'a Answer)>,
    pub inside: bool,
}

#[derive(Debug)]
pub struct Story<'a> {
    pub n: u64,
    pub spec: &'a Spec,
    pub ids: BTreeSet<Uuid>,
    pub enqueues: Vec<Enqueue<'a>>,
    /// In the order of their beginnings.
    pub runs: Vec<Run<'a>>,
    pub acts: Vec<Act>,
    pub rows: Vec<&'a Row>,
    pub results: Vec<&'a Outcome>,
}

/// The faults of one life of a process.
#[derive(Debug, Default)]
pub struct Life {
    /// When it was certainly dead.
    pub killed: Option<Nanos>,
    pub frozen: Vec<(Nanos, Nanos)>,
    /// When it got the signal to stop.
    pub asked_to_stop: Option<Nanos>,
}

#[derive(Debug)]
pub struct History<'a> {
    pub stories: BTreeMap<u64, Story<'a>>,
    pub by_id: HashMap<Uuid, u64>,
    pub lives: HashMap<&'a str, Life>,
    /// All calls: when asked, the call, when answered, the answer.
    pub calls: Vec<Asked<'a>>,
}

#[derive(Debug)]
pub struct Asked<'a> {
    pub at: Nanos,
    pub call: &'a Call,
    pub answer: Option<(Nanos, &'a Answer)>,
}

pub fn tell<'a>(lines: &'a [Line], facts: &'a Facts, verdict: &mut Verdict) -> History<'a> {
    let calls = calls(lines);
    let mut stories: BTreeMap<u64, Story<'a>> = BTreeMap::new();
    let mut by_id: HashMap<Uuid, u64> = HashMap::new();
    for asked in &calls {
        let Call::Enqueue { first, count, spec, ids, inside } = asked.call else { continue };
        let given = match asked.answer {
            Some((_, Answer::Ids { ids: given })) => given,
            _ => ids,
        };
        for i in 0..*count {
            let story = stories.entry(first + i).or_insert_with(|| Story {
                n: first + i,
                spec,
                ids: BTreeSet::new(),
                enqueues: Vec::new(),
                runs: Vec::new(),
                acts: Vec::new(),
                rows: Vec::new(),
                results: Vec::new(),
            });
            story.enqueues.push(Enqueue { asked: asked.at, answer: asked.answer, inside: *inside });
            if let Some(id) = given.get(i as usize) {
                story.ids.insert(*id);
                by_id.insert(*id, first + i);
            }
        }
    }
    add_runs(lines, &mut stories, &mut by_id, verdict);
    for row in &facts.rows {
        let n = row.arguments["n"].as_u64().or_else(|| by_id.get(&row.id).copied());
        match n.and_then(|n| stories.get_mut(&n)) {
            Some(story) => {
                story.ids.insert(row.id);
                by_id.insert(row.id, story.n);
                story.rows.push(row);
            }
            None => {
                verdict.breaks(None, "no strangers", format!("a row of a task that nobody enqueued: {row:?}"))
            }
        }
    }
    for result in &facts.results {
        let n = result.value["n"].as_u64().or_else(|| by_id.get(&result.id).copied());
        match n.and_then(|n| stories.get_mut(&n)) {
            Some(story) => {
                story.ids.insert(result.id);
                by_id.insert(result.id, story.n);
                story.results.push(result);
            }
            // The task's enqueue was not answered, and it ended without a run.
            None if matches!(&*result.status, "expired" | "cancelled" | "failed") => {}
            None => verdict.breaks(None, "no strangers", format!("a result of no known task: {result:?}")),
        }
    }
    acts::add(&calls, &by_id, &mut stories);
    verdict.figure("tasks", stories.len());
    verdict.figure("runs", stories.values().map(|story| story.runs.len()).sum());
    verdict.figure("verbs", calls.iter().filter(|asked| !matches!(asked.call, Call::Enqueue { .. })).count());
    History { stories, by_id, lives: lives(lines), calls }
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
    stories: &mut BTreeMap<u64, Story<'a>>,
    by_id: &mut HashMap<Uuid, u64>,
    verdict: &mut Verdict,
) {
    let mut places: HashMap<Uuid, (u64, usize)> = HashMap::new();
    for line in lines {
        match &line.what {
            What::Begun { run, task, n, v, attempt, .. } => {
                let Some(story) = stories.get_mut(n) else {
                    verdict.breaks(
                        *n,
                        "no strangers",
                        format!("a run of task {task}, which nobody enqueued"),
                    );
                    continue;
                };
                story.ids.insert(*task);
                by_id.insert(*task, *n);
                places.insert(*run, (*n, story.runs.len()));
                let (id, who, begun) = (*run, &*line.who, line.at);
                story.runs.push(Run { id, who, begun, v: *v, attempt: *attempt, ended: None });
            }
            What::Ended { run, how } => {
                let place = places.get(run).and_then(|(n, place)| Some((stories.get_mut(n)?, place)));
                if let Some((story, place)) = place {
                    story.runs[*place].ended = Some((line.at, how));
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
    let history = tell(lines, facts, &mut verdict);
    let Some(story) = history.stories.get(&n) else { return Vec::new() };
    let runs: HashSet<_> = story.runs.iter().map(|run| run.id).collect();
    let whos: HashSet<_> = story.runs.iter().map(|run| run.who).collect();
    let mut ops = HashSet::new();
    lines
        .iter()
        .filter(|line| match &line.what {
            What::Asked { op, call } => {
                let concerned = match call {
                    Call::Enqueue { first, count, .. } => (*first..first + count).contains(&n),
                    Call::Cancel { ids } | Call::Delete { ids } | Call::Retry { ids } => {
                        ids.iter().any(|id| story.ids.contains(id))
                    }
                    Call::Update { id, .. } | Call::Get { id } => story.ids.contains(id),
                    Call::Purge { queue } => *queue == story.spec.queue,
                };
                concerned && ops.insert((&line.who, *op))
            }
            What::Answered { op, .. } => ops.contains(&(&line.who, *op)),
            What::Begun { run, .. } | What::Ended { run, .. } => runs.contains(run),
            What::Fault { target, .. } => target.as_ref().is_some_and(|target| whos.contains(&**target)),
        })
        .collect()
}
