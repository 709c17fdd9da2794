//! What handlers and producers did in the database: each payment exists once and the total of money is unchanged; the
//! effects of runs that counted exist; tasks that were enqueued in a transaction exist exactly if it was committed.

use std::collections::HashMap;

use uuid::Uuid;

use super::Verdict;
use super::facts::Facts;
use super::record::History;
use crate::history::Answer;

pub fn check(history: &History<'_>, facts: &Facts, verdict: &mut Verdict) {
    let (should, is) = facts.money;
    if should != is {
        verdict.breaks(
            None,
            "money is conserved",
            format!("{is} on all accounts, {should} were there at first"),
        );
    }
    let mut paid: HashMap<u64, Vec<Uuid>> = HashMap::new();
    for (_, n, run) in &facts.payments {
        paid.entry(*n).or_default().push(*run);
    }
    let mut effects: HashMap<u64, Vec<Uuid>> = HashMap::new();
    for (_, n, run) in &facts.effects {
        effects.entry(*n).or_default().push(*run);
    }
    for record in history.records.values() {
        let (n, result) = (record.n, record.results.first());
        let completed = result.is_some_and(|result| result.status == "completed");
        let counted = result.and_then(|result| result.value["run"].as_str()?.parse::<Uuid>().ok());
        if record.spec.func == "pay" {
            let runs = paid.get(&n).map(Vec::as_slice).unwrap_or_default();
            if runs.len() != usize::from(completed) || (completed && counted != runs.first().copied()) {
                let what = format!(
                    "paid by the runs {runs:?}, its result says {:?}",
                    result.map(|result| &result.value)
                );
                verdict.breaks(n, "each payment once", what);
            }
        }
        if record.spec.func == "effect" && completed {
            let there = counted.is_some_and(|run| effects.get(&n).is_some_and(|runs| runs.contains(&run)));
            if !there {
                verdict.breaks(n, "results are true", "it completed, and the effect of the run is not there");
            }
        }
        for enqueue in record.enqueues.iter().filter(|enqueue| enqueue.inside) {
            let committed = facts.orders.get(&n).copied().unwrap_or_default();
            let said = matches!(enqueue.answer, Some((_, Answer::Ids { .. })));
            let seen = !(record.runs.is_empty() && record.rows.is_empty() && record.results.is_empty());
            // A task that was never seen may have expired, if it has a time to live.
            if committed > 1
                || (said && committed == 0)
                || (seen && committed == 0)
                || (!seen && committed == 1 && !record.spec.ttl)
            {
                let what = format!(
                    "enqueued in a transaction with {committed} row(s) committed; answered: {said}, seen: {seen}"
                );
                verdict.breaks(n, "one transaction", what);
            }
        }
    }
    verdict.figure("payments", facts.payments.len());
}
