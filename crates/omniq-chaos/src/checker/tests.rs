//! The checker detects each kind of fault: small histories with one fault each, and the promises that it reports as broken.

use clap::Parser;
use serde_json::json;
use uuid::Uuid;

use super::facts::{Event, Outcome, Row};
use super::{Facts, check};
use crate::args::Args;
use crate::clock::SECOND;
use crate::history::{Answer, Call, Line, Spec, What};

/// A history that grows by a tenth of a second with each line.
#[derive(Default)]
struct Sketch {
    lines: Vec<Line>,
    facts: Facts,
    ops: u64,
}

fn id(n: u64) -> Uuid {
    Uuid::from_u128(1000 + u128::from(n))
}

fn run(number: u64) -> Uuid {
    Uuid::from_u128(2000 + u128::from(number))
}

impl Sketch {
    fn line(&mut self, who: &str, what: What) {
        let at = (self.lines.len() as u64 + 100) * SECOND / 10;
        self.lines.push(Line { at, who: who.to_owned(), what });
    }

    fn call(mut self, call: Call, answer: Answer) -> Self {
        self.ops += 1;
        let op = self.ops;
        self.line("caller", What::Asked { op, call });
        self.line("caller", What::Answered { op, answer });
        self
    }

    /// Task number 1, with this function.
    fn task(self, func: &str) -> Self {
        self.enqueued(func, Answer::Ids { ids: vec![id(1)] })
    }

    fn enqueued(self, func: &str, answer: Answer) -> Self {
        let spec = Spec {
            func: func.to_owned(),
            queue: if func == "purged" { "purge" } else { "main" }.to_owned(),
            max_retries: 2,
            fails: 0,
            ttl: false,
        };
        let call = Call::Enqueue { first: 1, count: 1, spec, ids: Vec::new(), inside: false };
        self.call(call, answer)
    }

    fn begins(mut self, number: u64, who: &str, attempt: u32) -> Self {
        let func = "note".to_owned();
        self.line(who, What::Begun { run: run(number), task: id(1), n: 1, v: 0, attempt, func });
        self
    }

    fn ends(mut self, number: u64, who: &str, how: &str) -> Self {
        self.line(who, What::Ended { run: run(number), how: how.to_owned() });
        self
    }

    /// A fault of this process that lasts two seconds.
    fn fault(mut self, fault: &str, target: &str) -> Self {
        let now = (self.lines.len() as u64 + 100) * SECOND / 10;
        let (fault, target) = (fault.to_owned(), Some(target.to_owned()));
        let what = What::Fault { fault, target, until: now + 2 * SECOND, note: String::new() };
        self.lines.push(Line { at: now, who: "nemesis".to_owned(), what });
        // Three seconds pass.
        for _ in 0..30 {
            self.line("nobody", What::Answered { op: 0, answer: Answer::Done });
        }
        self
    }

    fn result(mut self, status: &str, number: u64, attempt: i32) -> Self {
        let value = if status == "completed" { json!({ "n": 1, "run": run(number) }) } else { json!(null) };
        let (status, error) = (status.to_owned(), String::new());
        let event = |kind: &str| Event { task: id(1), kind: kind.to_owned(), attempt, rescue: false };
        if self.facts.events.is_empty() {
            self.facts.events.extend([event("started"), event(&status)]);
        }
        self.facts.results.push(Outcome { id: id(1), status, attempt, value, error });
        self
    }

    fn row(mut self, state: &str, v: u64) -> Self {
        self.facts.rows.push(Row {
            id: id(1),
            state: state.to_owned(),
            arguments: json!({ "n": 1, "v": v }),
        });
        self.facts.listed = self.facts.rows.len();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// The promises that the checker reports as broken.
    fn broken(self) -> Vec<&'static str> {
        let args = Args::parse_from(["omniq-chaos"]);
        let mut promises: Vec<_> =
            check(&args, &self.lines, &self.facts).broken.into_iter().map(|broken| broken.promise).collect();
        promises.sort_unstable();
        promises.dedup();
        promises
    }
}

fn one_run() -> Sketch {
    Sketch::default().task("note").begins(1, "a", 1).ends(1, "a", "value")
}

fn cancel() -> Call {
    Call::Cancel { ids: vec![id(1)] }
}

fn done() -> Answer {
    Answer::Each { each: vec!["done".to_owned()] }
}

#[test]
fn what_went_well_is_not_complained_of() {
    assert!(one_run().result("completed", 1, 1).broken().is_empty());
    assert!(
        Sketch::default().task("note").call(cancel(), done()).result("cancelled", 0, 0).broken().is_empty()
    );
    let delete = Call::Delete { ids: vec![id(1)] };
    assert!(Sketch::default().task("note").call(delete, Answer::Done).broken().is_empty());
}

#[test]
fn a_lost_task_and_one_that_is_there_twice() {
    assert_eq!(one_run().broken(), ["nothing is lost"]);
    assert_eq!(one_run().result("completed", 1, 1).row("dead", 0).broken(), ["once"]);
    assert_eq!(one_run().result("completed", 1, 1).result("completed", 1, 1).broken(), ["once"]);
}

#[test]
fn a_refused_enqueue_that_is_there() {
    let refused = || Answer::Refused { kind: "57014".to_owned(), message: String::new() };
    assert!(Sketch::default().enqueued("note", refused()).broken().is_empty());
    let sketch = Sketch::default().enqueued("note", refused()).begins(1, "a", 1).ends(1, "a", "value");
    assert_eq!(sketch.result("completed", 1, 1).broken(), ["refused is refused"]);
}

#[test]
fn two_runs_at_once() {
    let twice = || one_run().begins(2, "b", 2).begins(3, "c", 3).ends(2, "b", "value").ends(3, "c", "value");
    assert_eq!(twice().result("completed", 3, 3).broken(), ["one run at a time"]);
    assert_eq!(
        twice().result("completed", 2, 2).broken(),
        ["late finishes are refused", "one run at a time"]
    );
    let begun = || Sketch::default().task("note").begins(1, "a", 1);
    let after = |sketch: Sketch| {
        sketch.begins(2, "b", 2).ends(2, "b", "value").ends(1, "a", "value").result("completed", 2, 2)
    };
    assert!(
        after(begun().fault("stop", "a")).broken().is_empty(),
        "it stood still for longer than its lease"
    );
    assert_eq!(after(begun().fault("network", "a")).broken(), ["one run at a time"]);
    let killed = begun().fault("kill", "a").begins(2, "b", 2).ends(2, "b", "value");
    assert!(killed.result("completed", 2, 2).broken().is_empty());
}

#[test]
fn a_run_after_the_end() {
    assert_eq!(
        one_run().begins(2, "b", 2).ends(2, "b", "value").result("completed", 1, 1).broken(),
        ["done is done"]
    );
    let cancelled = Sketch::default().task("note").call(cancel(), done()).result("cancelled", 0, 0);
    assert_eq!(cancelled.begins(1, "a", 1).ends(1, "a", "stopped").broken(), ["gone is gone"]);
}

#[test]
fn more_runs_than_retries_allow_and_fewer() {
    let mut sketch = Sketch::default().task("note");
    for number in 1..=4 {
        sketch = sketch.begins(number, "a", u32::try_from(number).unwrap()).ends(number, "a", "error");
    }
    assert_eq!(sketch.result("failed", 0, 3).row("dead", 0).broken(), ["retries are limited"]);
    let early = Sketch::default().task("note").begins(1, "a", 1).ends(1, "a", "error");
    assert_eq!(early.result("failed", 0, 1).row("dead", 0).broken(), ["retries are used"]);
}

#[test]
fn results_that_are_not_true() {
    assert_eq!(one_run().result("completed", 7, 1).broken(), ["results are true"]);
    assert_eq!(one_run().result("completed", 1, 2).broken(), ["results are true"]);
    assert_eq!(one_run().result("cancelled", 0, 1).broken(), ["no verb, no change"]);
    assert_eq!(one_run().result("expired", 0, 1).broken(), ["no verb, no change"]);
}

#[test]
fn answers_that_are_not_true() {
    let task = || Sketch::default().task("note");
    assert_eq!(task().call(cancel(), done()).broken(), ["ends are recorded"]);
    let not_found = Answer::Each { each: vec!["not_found".to_owned()] };
    let sketch = task().call(cancel(), not_found).begins(1, "a", 1).ends(1, "a", "value");
    assert_eq!(sketch.result("completed", 1, 1).broken(), ["answers are true"]);
    // Dead, because its only worker was lost before it began the run.
    let not_found = Answer::Each { each: vec!["not_found".to_owned()] };
    let lost = task().call(cancel(), not_found).result("failed", 1, 3).row("dead", 0);
    let error = |facts: &mut super::Facts| facts.results[0].error = "worker_lost: gone".to_owned();
    assert_eq!(lost.with(error).broken(), [""; 0]);
    let twice = task().call(cancel(), done()).call(cancel(), done()).result("cancelled", 0, 0);
    assert_eq!(twice.broken(), ["answers are true"]);
    let update = |v| {
        let found = crate::history::Found { id: id(1), n: 1, v };
        (Call::Update { id: id(1), v }, Answer::Task { found: Some(found) })
    };
    let ((first, first_done), (second, second_done)) = (update(5), update(6));
    let updated = || task().call(first.clone(), first_done.clone()).call(second.clone(), second_done.clone());
    let run_with_none = updated().begins(1, "a", 1).ends(1, "a", "value").result("completed", 1, 1);
    assert_eq!(run_with_none.broken(), ["answers are true"]);
    let (purge, count) = (Call::Purge { queue: "purge".to_owned() }, |count| Answer::Count { count });
    let purged = || Sketch::default().task("purged");
    assert!(purged().call(purge.clone(), count(1)).broken().is_empty());
    assert_eq!(purged().call(purge, count(2)).broken(), ["answers are true"]);
}

#[test]
fn money_and_payments() {
    let paid =
        || Sketch::default().task("pay").begins(1, "a", 1).ends(1, "a", "value").result("completed", 1, 1);
    assert!(paid().with(|facts| facts.payments.push((id(1), 1, run(1)))).broken().is_empty());
    assert_eq!(paid().broken(), ["each payment once"]);
    let twice = paid().with(|facts| facts.payments.extend([(id(1), 1, run(1)), (id(1), 1, run(2))]));
    assert_eq!(twice.broken(), ["each payment once"]);
    assert_eq!(
        one_run().result("completed", 1, 1).with(|facts| facts.money = (10, 9)).broken(),
        ["money is conserved"]
    );
}

#[test]
fn tables_and_events() {
    let well = || one_run().result("completed", 1, 1);
    let counted = |facts: &mut Facts| facts.figures.push(("main".to_owned(), "ready".to_owned(), 1));
    assert_eq!(well().with(counted).broken(), ["figures are true"]);
    assert_eq!(well().with(|facts| facts.left = 3).broken(), ["the queue drains"]);
    assert_eq!(well().with(|facts| facts.listed = 1).broken(), ["everything can be read"]);
    assert_eq!(well().with(|facts| facts.events.reverse()).broken(), ["events in order"]);
    assert_eq!(well().with(|facts| facts.events.clear()).broken(), ["ends are recorded"]);
    // But a worker that stops does not wait for room for its events.
    assert!(well().fault("term", "a").with(|facts| facts.events.clear()).broken().is_empty());
}
