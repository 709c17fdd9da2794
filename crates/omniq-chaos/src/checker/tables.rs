//! The tables as a whole: all tasks are done, the figures are true, everything can be read, nothing is left over.

use super::Verdict;
use super::facts::Facts;

pub fn check(facts: &Facts, verdict: &mut Verdict) {
    if facts.left > 0 {
        let states: Vec<_> = facts.counted.iter().filter(|(_, state, _)| state != "dead").collect();
        verdict.breaks(
            None,
            "the queue drains",
            format!("{} tasks were left when patience was over: {states:?}", facts.left),
        );
    }
    if facts.counted != facts.figures {
        verdict.breaks(
            None,
            "figures are true",
            format!("queues say {:?}, rows say {:?}", facts.figures, facts.counted),
        );
    }
    if let Some(error) = &facts.unreadable {
        verdict.breaks(None, "everything can be read", format!("list failed: {error}"));
    } else if facts.listed != facts.rows.len() {
        verdict.breaks(
            None,
            "everything can be read",
            format!("list gave {} tasks of {}", facts.listed, facts.rows.len()),
        );
    }
    if facts.sessions > 0 {
        verdict.breaks(
            None,
            "nothing is left behind",
            format!("{} sessions of processes that have ended", facts.sessions),
        );
    }
    for complaint in &facts.complaints {
        verdict.breaks(None, "processes end well", complaint);
    }
    verdict.figure("results", facts.results.len());
    verdict.figure("dead letters", facts.rows.len());
}
