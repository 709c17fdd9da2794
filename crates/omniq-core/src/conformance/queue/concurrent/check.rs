//! Checks a history: for each task there must be an order of the calls in which every answer is true, and sums must
//! agree.

use std::collections::HashSet;
use std::fmt::Write;

use super::history::{Call, History, Whole};
use super::model::{self, Fact, Model, Sweep};
use crate::model::TaskId;

/// A statement of a call about the present task.
enum Saying<'a> {
    Fact(&'a Fact),
    /// The sweep with this number among those of the history.
    Sweep(usize, Sweep),
}

struct Step<'a> {
    call: &'a Call,
    saying: Saying<'a>,
}

pub(super) fn check(history: &History, keeps: bool) -> Result<(), String> {
    let sweeps: Vec<(&Call, u64)> = history
        .calls
        .iter()
        .filter_map(|call| match call.whole {
            Whole::Swept(_, count) => Some((call, count)),
            _ => None,
        })
        .collect();
    let mut bounds = vec![(0_u64, 0_u64); sweeps.len()];
    for task in history.tasks() {
        let steps = steps(history, task);
        let ends = Search { steps: &steps, keeps, seen: HashSet::new(), ends: HashSet::new() }.ends();
        if ends.is_empty() {
            return Err(report(task, &steps));
        }
        // For each sweep, the bounds of how many tasks it changed, over all orders that fit.
        for (no, (least, most)) in bounds.iter_mut().enumerate() {
            let changed = |ends: &u32| ends & (1 << no) > 0;
            *least += u64::from(ends.iter().all(changed));
            *most += u64::from(ends.iter().any(changed));
        }
    }
    for ((call, count), (least, most)) in sweeps.iter().zip(bounds) {
        if !(least..=most).contains(count) {
            return Err(format!("{} answered {count}, but changed {least} to {most} tasks", call.act));
        }
    }
    Ok(())
}

/// The statements about this task, in the order in which their calls began.
fn steps(history: &History, task: TaskId) -> Vec<Step<'_>> {
    let mut sweeps = 0;
    let mut steps = Vec::new();
    for call in &history.calls {
        let facts = call.facts.iter().filter(|(id, _)| *id == task);
        steps.extend(facts.map(|(_, fact)| Step { call, saying: Saying::Fact(fact) }));
        match call.whole {
            Whole::Nothing => {}
            Whole::Listed if call.facts.iter().any(|(id, _)| *id == task) => {}
            Whole::Listed => steps.push(Step { call, saying: Saying::Fact(&Fact::Seen(None)) }),
            Whole::Swept(sweep, _) => {
                steps.push(Step { call, saying: Saying::Sweep(sweeps, sweep) });
                sweeps += 1;
            }
        }
    }
    steps.sort_by_key(|step| step.call.begin);
    steps
}

/// Searches all orders in which a call that returned before another began comes before it.
struct Search<'a> {
    steps: &'a [Step<'a>],
    keeps: bool,
    seen: HashSet<(u64, Model, u32)>,
    /// Which sweeps changed the task, one bit each, for every order that fits.
    ends: HashSet<u32>,
}

impl Search<'_> {
    fn ends(mut self) -> HashSet<u32> {
        assert!(self.steps.len() <= 64, "a history names each task a few times only");
        self.go_on(0, None, 0);
        self.ends
    }

    fn go_on(&mut self, done: u64, model: Model, swept: u32) {
        if !self.seen.insert((done, model, swept)) {
            return;
        }
        let left = || (0..self.steps.len()).filter(|place| done & (1 << place) == 0);
        let Some(first_end) = left().map(|place| self.steps[place].call.end).min() else {
            self.ends.insert(swept);
            return;
        };
        let next: Vec<usize> = left().filter(|place| self.steps[*place].call.begin <= first_end).collect();
        for place in next {
            let done = done | (1 << place);
            match self.steps[place].saying {
                Saying::Fact(fact) => {
                    if let Some(model) = model::after(model, fact, self.keeps) {
                        self.go_on(done, model, swept);
                    }
                }
                Saying::Sweep(no, sweep) => match model::swept(model, sweep) {
                    Some(model) => self.go_on(done, model, swept | (1 << no)),
                    None => self.go_on(done, model, swept),
                },
            }
        }
    }
}

fn report(task: TaskId, steps: &[Step<'_>]) -> String {
    let mut text = format!("no order of these calls explains what became of task {task}:\n");
    for Step { call, saying } in steps {
        let said = match saying {
            Saying::Fact(fact) => format!("{fact:?}"),
            Saying::Sweep(..) => format!("{:?}", call.whole),
        };
        let (lane, begin, end) = (call.lane, call.begin / 1000, call.end / 1000);
        let _ = writeln!(text, "  {begin:>7}–{end:>7} µs, connection {lane}: {}: {said}", call.act);
    }
    text
}
