//! The checker: compares what happened with what was promised. It uses only histories and final tables, and none of the
//! library's internals.

mod act;
mod acts;
mod collect;
mod events;
mod facts;
mod fates;
mod payments;
mod record;
mod runs;
mod tables;
#[cfg(test)]
mod tests;
mod verbs;

pub use facts::{Facts, read};

use crate::args::Args;
use crate::history::Line;
use crate::part::Part;

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The number of the task.
    pub n: Option<u64>,
    /// The kind of promise, for counting.
    pub promise: &'static str,
    pub what: String,
}

/// The broken promises, and how much was checked.
#[derive(Debug, Default)]
pub struct Verdict {
    pub broken: Vec<Broken>,
    /// Named figures.
    pub figures: Vec<(&'static str, usize)>,
}

impl Verdict {
    fn breaks(&mut self, n: impl Into<Option<u64>>, promise: &'static str, what: impl Into<String>) {
        self.broken.push(Broken { n: n.into(), promise, what: what.into() });
    }

    fn figure(&mut self, name: &'static str, count: usize) {
        self.figures.push((name, count));
    }
}

/// Judges one run.
pub fn check(args: &Args, lines: &[Line], facts: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    let history = collect::collect(lines, facts, &mut verdict);
    for record in history.records.values() {
        fates::check(record, &history, &mut verdict);
        runs::check(record, &history, &mut verdict);
        verbs::check(record, &history, &mut verdict);
    }
    verbs::check_bulks(&history, facts, &mut verdict);
    payments::check(&history, facts, &mut verdict);
    tables::check(facts, &mut verdict);
    if args.has(Part::Events) {
        events::check(&history, facts, &mut verdict);
    }
    verdict
}

/// The lines that concern one task, for the report.
pub fn history_of<'a>(n: u64, lines: &'a [Line], facts: &Facts) -> Vec<&'a Line> {
    collect::lines_of(n, lines, facts)
}
