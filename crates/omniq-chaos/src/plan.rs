//! What happens when. The plan depends on the seed alone and is printed, so that a run can be repeated.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::args::Args;
use crate::part::Part;

/// One fault.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Seconds from the beginning of the load.
    pub at: f64,
    pub fault: Part,
    /// Chooses the target among the possible ones.
    pub pick: u32,
    /// How long the fault lasts, in seconds, if it lasts.
    pub secs: f64,
}

/// Faults in a random order in which all kinds come equally often, from 2 s after the load begins until 2 s before its end.
pub fn plan(args: &Args) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(args.seed);
    let faults: Vec<_> = Part::FAULTS.into_iter().filter(|fault| args.has(*fault)).collect();
    let (mut steps, mut bag) = (Vec::new(), Vec::new());
    let mut at = 2.0;
    while at < args.minutes * 60.0 - 2.0 && !faults.is_empty() {
        if bag.is_empty() {
            bag.clone_from(&faults);
            bag.shuffle(&mut random);
        }
        let Some(fault) = bag.pop() else { break };
        let secs: f64 = match fault {
            // Around the lease: some processes keep it, some lose it.
            Part::Stop | Part::Network => random.random_range(0.3..9.0),
            Part::Lock => random.random_range(0.5..6.0),
            Part::Snapshot => random.random_range(3.0..20.0),
            Part::Disk => random.random_range(1.0..4.0),
            _ => 0.0,
        };
        // No fault lasts longer than the load.
        let secs = secs.min(args.minutes * 60.0 - at);
        steps.push(Step { at, fault, pick: random.random(), secs });
        at += random.random_range(0.1..2.0) * args.pause;
    }
    steps
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}s {}", self.at, self.fault.name())?;
        if self.secs > 0.0 {
            write!(f, " for {:.1}s", self.secs)?;
        }
        Ok(())
    }
}
