//! Test: after each verb claims begin at the front if, and only if, it may bring tasks back to where they have passed. A wrong head
//! (`-- cursors:`) would show nowhere else: the tasks would merely be late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::*;
use omniq_testkit::TestDb;

use super::heads::Head;
use super::{SettleBlocks, Statements};
use crate::AsyncPostgresQueue;
use crate::db::Db;
use crate::migrate::{self, Part};
use crate::settings::Settings;
use crate::sql::schema::Schema;

/// What was sent so far, and whether it clears the cursors.
struct Sent {
    db: Arc<Db>,
    before: u64,
    clears: BTreeMap<&'static str, bool>,
}

impl Sent {
    fn expect(&mut self, verb: &str, statements: &[(&'static str, bool)]) {
        let count = self.db.returns.count();
        assert_eq!(count > self.before, statements.iter().any(|(_, clears)| *clears), "after {verb}");
        self.before = count;
        self.clears.extend(statements.iter().copied());
    }
}

fn task() -> NewTask {
    NewTask::new("f", &()).unwrap()
}

fn settlement(task: &Task, claim: Option<Claim>, outcome: Outcome) -> Vec<Settlement> {
    vec![Settlement::new(task.id, claim, outcome)]
}

#[tokio::test]
async fn each_verb_clears_the_cursors_if_tasks_can_come_back() {
    let test = TestDb::new().await;
    let db = Db::open(&Settings::builder().url(test.url()).build().unwrap()).await.unwrap();
    migrate::on_connect(&[(&db, &[Part::Tasks])]).await.unwrap();
    let queue = AsyncPostgresQueue::on(Arc::clone(&db));
    let mut sent = Sent { before: 0, db: Arc::clone(&db), clears: BTreeMap::new() };

    let first = queue.enqueue(task()).await.unwrap();
    sent.expect("an enqueue", &[("enqueue_one", false)]);
    let ids = queue.enqueue_many(vec![task(); 12]).await.unwrap();
    sent.expect("an enqueue of many", &[("enqueue_segment", false)]);
    queue.enqueue_many(vec![task().id(TaskId::new()), task().id(TaskId::new())]).await.unwrap();
    sent.expect("an enqueue with ids", &[("enqueue_many", false)]);
    queue.enqueue_in(&mut test.client().await, task()).await.unwrap();
    sent.expect("an enqueue of the user's", &[("enqueue_raw", false)]);

    // Each of these singles its task out, and one that is refused has locked rows as well.
    let single_out = ("single_out", true);
    queue.update(ids[11], TaskUpdate { priority: Some(1), ..TaskUpdate::default() }).await.unwrap();
    sent.expect("an update", &[single_out, ("update", true)]);
    queue.retry(ids[10]).await.unwrap();
    sent.expect("a retry", &[single_out, ("retry", true)]);
    queue.retry(TaskId::new()).await.unwrap_err();
    sent.expect("a retry of no task", &[single_out, ("retry", true)]);
    queue.cancel(ids[9]).await.unwrap();
    sent.expect("a cancel", &[single_out, ("cancel", false)]);
    queue.stop_many(&ids[8..9]).await.unwrap();
    sent.expect("a stop", &[single_out, ("cancel", false)]);
    queue.delete(ids[7]).await.unwrap();
    sent.expect("a delete", &[single_out, ("delete", false)]);

    let info = WorkerInfo { lease: Duration::from_secs(60), ..WorkerInfo::new(["default"]) };
    let worker = queue.register_worker(&info).await.unwrap();
    let mut held = queue.claim(worker, &Dequeue::from(["default"]).limit(10)).await.unwrap();
    sent.expect("a claim", &[("promote", false), ("dequeue", false)]);
    assert!(held.iter().any(|task| task.id == first));
    for _ in 0..2 {
        queue.enqueue(task().queue("singles")).await.unwrap();
    }
    sent.expect("two enqueues", &[("enqueue_one", false)]);
    for claim in ["dequeue", "dequeue_singles"] {
        let request = Dequeue::from(["singles"]).resume();
        let alone = queue.claim(worker, &request).await.unwrap();
        sent.expect("a claim that goes on", &[("promote", false), (claim, false)]);
        let batch = settlement(&alone[0], alone[0].claim, Outcome::Complete);
        assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Done]);
        sent.expect("a completion of a task in a row of its own", &[("settle_singles", false)]);
    }
    let (error, delay) = (TaskError::new("E", "e"), Duration::ZERO);
    for (outcome, clears) in [
        (Outcome::Complete, false),
        (Outcome::Fail { error: error.clone() }, false),
        (Outcome::RetryLater { delay, error: Some(error) }, true),
        (Outcome::Release, true),
        (Outcome::Snooze { delay }, true),
        (Outcome::Cancel, false),
        (Outcome::Discard, false),
    ] {
        let task = held.pop().unwrap();
        let batch = settlement(&task, task.claim, outcome.clone());
        assert_eq!(queue.settle(&batch, SettleMode::Each).await.unwrap(), [Settled::Done]);
        sent.expect(&format!("{outcome:?}"), &[("settle", clears)]);
    }
    let ready = TaskFilter { state: Some(TaskState::Ready), ..TaskFilter::default() };
    for (outcome, clears) in [(Outcome::Cancel, true), (Outcome::Expire, false)] {
        let waiting = queue.list(&ready).await.unwrap();
        let batch = settlement(&waiting[0], None, outcome.clone());
        queue.settle(&batch, SettleMode::Each).await.unwrap();
        sent.expect(&format!("{outcome:?} of a task that waits"), &[("settle", clears)]);
    }
    let task = held.pop().unwrap();
    let batch = settlement(&task, task.claim, Outcome::Release);
    queue.settle_in(&mut test.client().await, &batch, SettleMode::All).await.unwrap();
    sent.expect("a settlement of the user's", &[("single_out_held", false), ("settle_raw", false)]);

    let unique = self::task().unique(Unique::key("k"));
    queue.enqueue(unique).await.unwrap();
    sent.expect("an enqueue of a unique task", &[("enqueue_unique", true)]);

    let before = queue.enqueue(self::task().queue("linked")).await.unwrap();
    sent.expect("an enqueue", &[("enqueue_one", false)]);
    queue.enqueue(self::task().queue("linked").after([before])).await.unwrap();
    sent.expect(
        "an enqueue of a task that runs after another",
        &[("enqueue_linked", false), ("advance", true)],
    );

    let schedules = queue.schedules().unwrap();
    let hourly =
        Schedule::new("s", Timing::every(Duration::from_secs(3_600)).unwrap(), self::task()).unwrap();
    let saved = schedules.save(hourly).await.unwrap();
    let planned = saved.plan(saved.next_at.unwrap()).unwrap().unwrap();
    assert_eq!(schedules.tick(&[planned]).await.unwrap().len(), 1);
    sent.expect("a tick of a schedule", &[("tick_schedules", true)]);
    schedules.trigger("s").await.unwrap();
    sent.expect("a tick by hand", &[("trigger_schedule", true)]);

    for (verb, done) in [
        ("a pause", queue.pause("default").await),
        ("a resume", queue.resume("default").await),
        ("maintenance", queue.maintain().await),
        ("a search for lost tasks", queue.lost(10).await.map(drop)),
        ("a search for expired tasks", queue.expired(10).await.map(drop)),
    ] {
        done.unwrap();
        sent.expect(verb, &[]);
    }
    queue.prune(10).await.unwrap();
    sent.expect("a prune", &[("prune", false)]);
    queue.purge(&ready).await.unwrap();
    sent.expect("a purge", &[("purge", true)]);
    queue.delete_all(&ready).await.unwrap();
    sent.expect("a removal of all", &[("delete_all", true)]);
    queue.retry_all(&TaskFilter::default()).await.unwrap();
    sent.expect("a retry of all", &[("retry_all", true)]);
    queue.close().await.unwrap();

    let sql = Statements::new(&Schema::new("omniq").unwrap());
    let with_rows = Head::all().into_iter().filter(|head| head.lines("rows").next().is_some());
    let with_rows: BTreeSet<_> = with_rows.map(|head| head.name).collect();
    assert_eq!(sent.clears.keys().copied().collect::<Vec<_>>(), with_rows.iter().collect::<Vec<_>>());
    // What the verbs send in one transaction is told apart here.
    for (name, statement) in sql.all().into_iter().filter(|(name, _)| !name.starts_with("settle")) {
        let clears = sent.clears.get(name.as_str()).copied().unwrap_or(false);
        assert_eq!(statement.clears_cursors, clears, "{name}.sql");
    }
    for blocks in SettleBlocks::all() {
        assert_eq!(sql.settle(blocks).clears_cursors, blocks.back, "{blocks:?}");
    }
}
