//! Unique tasks beside open transactions, lost sessions and workers.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use omniq_core::*;
use omniq_postgres::{AsyncPostgresBackend, AsyncPostgresQueue};
use omniq_testkit::{TestDb, eventually};
use tokio_postgres::Client;

const LONG: Duration = Duration::from_secs(30);
/// Long enough for what can go on, and short enough to wait for what cannot.
const WHILE: Duration = Duration::from_millis(300);

fn task(number: i64, key: &str, on_conflict: OnConflict) -> NewTask {
    NewTask::new("work", &number).unwrap().unique(Unique::key(key).on_conflict(on_conflict).until(Until::End))
}

fn skip(number: i64, key: &str) -> NewTask {
    task(number, key, OnConflict::Skip)
}

async fn open(db: &TestDb) -> AsyncPostgresQueue {
    AsyncPostgresQueue::connect(&db.url()).await.unwrap()
}

fn next() -> Dequeue {
    Dequeue::from(["default"])
}

/// How many transactions this database has seen. The server notes them once a second.
async fn transactions(client: &Client) -> i64 {
    let sql = "select pg_stat_clear_snapshot(), xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
    client.query_one(sql, &[]).await.unwrap().get(1)
}

async fn folds_hold_back_the_start(commits: bool) {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let started = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&started);
    let work = move |number: i64, _: Context| {
        seen.lock().unwrap().push((number, Instant::now()));
        async move { Ok::<_, Failure>(number) }
    };
    let later = Duration::from_millis(500);
    let id = backend.enqueue(skip(1, "k").delay(later)).await.unwrap();
    let (mut one, mut two) = (db.client().await, db.client().await);
    let mut transactions_open = [one.transaction().await.unwrap(), two.transaction().await.unwrap()];
    for transaction in &mut transactions_open {
        let folded = backend.enqueue_unique_in(transaction, skip(2, "k")).await.unwrap();
        assert_eq!(folded, Enqueued::Skipped(id), "neither waits for the other");
    }
    let worker = Worker::builder(&backend).register("work", work).build().unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    // It is due, and workers look for it, but not all the time.
    tokio::time::sleep(later + Duration::from_millis(1_500)).await;
    let witness = db.client().await;
    let before = transactions(&witness).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let looks = transactions(&witness).await - before;
    assert!(started.lock().unwrap().is_empty(), "it has not started");
    // A look is five transactions; maintenance adds some.
    assert!(looks < 3 * 5 * 20, "{looks} transactions in 3 seconds");
    // Others start at once.
    let other = backend.enqueue(skip(3, "other")).await.unwrap();
    backend.wait(other, LONG).await.unwrap();
    let [first, second] = transactions_open;
    first.rollback().await.unwrap();
    tokio::time::sleep(WHILE).await;
    assert_eq!(started.lock().unwrap().len(), 1, "the second one holds it back still");
    let begun = Instant::now();
    if commits { second.commit().await } else { second.rollback().await }.unwrap();
    let result = backend.wait(id, LONG).await.unwrap();
    assert_eq!(result.decode::<i64>().unwrap(), 1);
    let took = started.lock().unwrap().last().unwrap().1.duration_since(begun);
    assert!(took < Duration::from_millis(700), "{took:?} after the end of the last transaction");
    handle.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_task_that_is_folded_into_starts_after_the_commit() {
    folds_hold_back_the_start(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_task_that_is_folded_into_starts_after_the_rollback() {
    folds_hold_back_the_start(false).await;
}

/// A transaction that has taken a key holds up those that want it, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_an_open_transaction_holds_up_its_own_keys_alone() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let waiting = queue.enqueue(skip(0, "waiting")).await.unwrap();
    queue.enqueue(skip(1, "running").queue("other")).await.unwrap();
    let running = queue.dequeue(Dequeue::from(["other"])).await.unwrap().unwrap();
    let mut client = db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    let tasks = vec![skip(2, "new"), task(3, "waiting", OnConflict::Replace), skip(4, "running")];
    let enqueued = queue.enqueue_unique_many_in(&mut transaction, tasks).await.unwrap();
    assert_eq!(enqueued[1], Enqueued::Replaced(waiting));
    assert!(queue.dequeue(next()).await.unwrap().is_none(), "the claim passes over the one that is changed");
    queue.complete(&running).await.unwrap();
    queue.enqueue(skip(5, "free")).await.unwrap();
    let free = queue.dequeue_many(next().limit(10)).await.unwrap();
    assert_eq!(free.len(), 1);
    queue.complete_many(&free).await.unwrap();
    for key in ["new", "waiting"] {
        let other = queue.clone();
        let mut wants = tokio::spawn(async move { other.enqueue_unique(skip(6, key)).await });
        assert!(tokio::time::timeout(WHILE, &mut wants).await.is_err(), "{key} was decided meanwhile");
        wants.abort();
    }
    transaction.rollback().await.unwrap();
    assert_eq!(queue.enqueue_unique(skip(7, "waiting")).await.unwrap(), Enqueued::Skipped(waiting));
    assert!(queue.enqueue_unique(skip(8, "new")).await.unwrap().is_new());
    let task = queue.get(waiting).await.unwrap().unwrap();
    assert_eq!(task.payload.decode::<i64>().unwrap(), 0, "the change is rolled back");
    queue.close().await.unwrap();
}

/// The session that had taken the keys is lost before its commit: they are free, and nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_keys_of_a_lost_session_are_free() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let mut client = db.client().await;
    let pid: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut transaction = client.transaction().await.unwrap();
    queue.enqueue_unique_many_in(&mut transaction, vec![skip(1, "a"), skip(2, "b")]).await.unwrap();
    db.client().await.execute("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let enqueued = queue.enqueue_unique_many(vec![skip(3, "b"), skip(4, "a")]).await.unwrap();
    assert!(enqueued.iter().all(|one| one.is_new()));
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 2);
    queue.close().await.unwrap();
}

/// The clean-up deletes what nothing holds, and never a key that is taken at that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_the_clean_up_deletes_what_nothing_holds() {
    let db = TestDb::new().await;
    let (queue, client) = (open(&db).await, db.client().await);
    let old = "update omniq.keys set look_at = now() - interval '1 second'";
    let long = |key: &str| {
        NewTask::new("work", &0).unwrap().unique(Unique::key(key).period(Duration::from_secs(3600)))
    };
    for task in [skip(0, "waits"), long("period"), skip(1, "gone")] {
        queue.enqueue(task).await.unwrap();
    }
    let held = queue.dequeue_many(next().limit(3)).await.unwrap();
    queue.complete_many(&held[1..]).await.unwrap();
    client.batch_execute(old).await.unwrap();
    queue.maintain().await.unwrap();
    let rows = client.query("select key, look_at > now() from omniq.keys order by key", &[]).await.unwrap();
    let left: Vec<(String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(left, [("period".to_owned(), true), ("waits".to_owned(), true)]);
    // Beside enqueues and ends.
    let churn = |caller: usize| {
        let queue = queue.clone();
        async move {
            let mut added = 0;
            for round in 0..60 {
                let key = format!("{}", (caller + round) % 5);
                if queue.enqueue_unique(skip(2, &key)).await.unwrap().is_new() {
                    added += 1;
                }
                let held = queue.dequeue_many(next().limit(1)).await.unwrap();
                queue.complete_many(&held).await.unwrap();
            }
            added
        }
    };
    let cleaning = async {
        for _ in 0..60 {
            client.batch_execute(old).await.unwrap();
            queue.maintain().await.unwrap();
        }
        0
    };
    let twice = async {
        let count = "select count(*) from (select options->'unique'->>'key' from omniq.tasks group by 1 having count(*) > 1) t";
        let witness = db.client().await;
        for _ in 0..100 {
            assert_eq!(witness.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 0);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        0
    };
    let calls: Vec<_> = (0..6).map(churn).collect();
    let (added, _, _) = tokio::join!(join_all(calls), cleaning, twice);
    assert!(added.iter().sum::<i32>() > 60, "{added:?}");
    queue.close().await.unwrap();
}

/// A tick whose key an open transaction has taken is left for later, and holds up no other schedule.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_schedule_whose_key_is_taken_holds_up_no_other() {
    let db = TestDb::new().await;
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let schedules = backend.require_schedules().unwrap();
    let often = |name: &str, task: NewTask| {
        Schedule::new(name, Timing::every(Duration::from_millis(100)).unwrap(), task).unwrap()
    };
    schedules.save(often("unique", skip(1, "k"))).await.unwrap();
    schedules.save(often("plain", NewTask::new("work", &2).unwrap())).await.unwrap();
    let mut client = db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    backend.enqueue_in(&mut transaction, skip(3, "k")).await.unwrap();
    let work = |number: i64, _: Context| async move { Ok::<_, Failure>(number) };
    let worker = Worker::builder(&backend).register("work", work).build().unwrap();
    let (handle, running) = (worker.handle(), tokio::spawn(worker.run()));
    let ticks = async |name: &str| schedules.history(name, 100).await.unwrap();
    eventually("the plain one ticks", LONG, async || (ticks("plain").await.len() > 10).then_some(())).await;
    assert!(ticks("unique").await.is_empty());
    transaction.rollback().await.unwrap();
    eventually("both tick", LONG, async || (ticks("unique").await.len() > 3).then_some(())).await;
    handle.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();
}

/// A task that is claimed while an enqueue waits for its row is not locked by it: its settlement waits for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_task_that_is_claimed_meanwhile_is_settled_beside_the_fold() {
    let db = TestDb::new().await;
    for on_conflict in [OnConflict::Skip, OnConflict::Replace] {
        let queue = open(&db).await;
        let id = queue.enqueue(task(1, "k", on_conflict)).await.unwrap();
        let (mut claims, mut folds) = (db.client().await, db.client().await);
        // The claim of a worker, which another session sees at its commit.
        let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
        let claim = claims.transaction().await.unwrap();
        let take = "update omniq.tasks set worker = $1, attempt = 1, claims = claims + 1, claimed_at = now() where id = $2";
        claim.query("select from omniq.tasks where id = $1 for update", &[&id.as_uuid()]).await.unwrap();
        claim.execute(take, &[&worker.0, &id.as_uuid()]).await.unwrap();
        let other = queue.clone();
        let fold = tokio::spawn(async move {
            let mut transaction = folds.transaction().await.unwrap();
            let folded = other.enqueue_unique_in(&mut transaction, task(2, "k", on_conflict)).await.unwrap();
            // Open until the settlement is through.
            tokio::time::sleep(Duration::from_secs(2)).await;
            transaction.commit().await.unwrap();
            folded
        });
        tokio::time::sleep(WHILE).await;
        claim.commit().await.unwrap();
        tokio::time::sleep(WHILE).await;
        let held = queue.get(id).await.unwrap().unwrap();
        let begun = Instant::now();
        queue.complete(&held).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(fold.await.unwrap(), Enqueued::Skipped(id));
        queue.close().await.unwrap();
    }
}

/// Retries of dead letters within their period, in transactions of all kinds, leave the key with one task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_dead_letter_that_is_retried_within_its_period_has_its_key() {
    let db = TestDb::new().await;
    let (queue, mut client) = (open(&db).await, db.client().await);
    let short = |number: i64| {
        let unique = Unique::key("k").period(Duration::from_millis(700));
        NewTask::new("work", &number).unwrap().max_retries(0).unique(unique)
    };
    let id = queue.enqueue(short(1)).await.unwrap();
    let held = queue.dequeue(next()).await.unwrap().unwrap();
    queue.fail(&held, TaskError::new("Boom", "it broke")).await.unwrap();
    let sql = "begin isolation level repeatable read; select count(*) from omniq.tasks";
    client.batch_execute(sql).await.unwrap();
    queue.retry(id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let by_old_snapshot = client.batch_execute("select omniq.enqueue('work', key => 'k')").await.unwrap_err();
    assert_eq!(by_old_snapshot.code().unwrap().code(), "40001", "{by_old_snapshot:?}");
    client.batch_execute("rollback; update omniq.keys set look_at = now()").await.unwrap();
    queue.maintain().await.unwrap();
    assert_eq!(queue.enqueue_unique(short(2)).await.unwrap(), Enqueued::Skipped(id));
    let one = client.transaction().await.unwrap();
    assert_eq!(one.query("select from omniq.keys", &[]).await.unwrap().len(), 1);
    drop(one);
    queue.close().await.unwrap();
}

/// What SQL clients may give, and what is refused before it is folded into another task.
#[tokio::test]
async fn c22_odd_options_of_sql_clients_are_refused() {
    let db = TestDb::new().await;
    let (queue, client) = (open(&db).await, db.client().await);
    queue.enqueue(skip(1, "k")).await.unwrap();
    let by_options = |options: &str| {
        format!(
            "select omniq.enqueue_many(array[null::uuid], '{{q}}', '{{f}}', '{{json}}', array['1'::bytea], '{{0}}', '{{0}}', null, null, null, array[$o${options}$o$], null)"
        )
    };
    for (sql, words) in [
        ("select omniq.enqueue('f', key => 'k', delay => '200000 years')".to_owned(), "delay"),
        ("select omniq.enqueue('f', key => 'k', delay => '-1 hour')".to_owned(), "delay"),
        ("select omniq.enqueue('f', key => 'k', ttl => '0')".to_owned(), "ttl"),
        (by_options(r#"{"unique": {"key": "k", "on_conflict": ["replace"]}}"#), "on_conflict is unknown"),
        (by_options(r#"{"unique": {"key": "k", "on_conflict": []}}"#), "on_conflict is unknown"),
        (by_options(r#"{"unique": {"key": "k", "until": ["start"]}}"#), "until is unknown"),
        (by_options(r#"{"unique": {"key": ["k"]}}"#), "its key is no text"),
        (by_options(r#"{"unique": {"key": "k", "more": 1}}"#), "another field"),
        (by_options(r#"{"unique": {"key": "k", "period": 1e10}}"#), "a span of it"),
        (by_options(r#"{"unique": {"key": "k", "max_wait": 1}}"#), "does not reschedule"),
        (by_options(r#"{"unique": []}"#), "it is no object"),
    ] {
        let error = client.simple_query(&sql).await.unwrap_err();
        let message = error.as_db_error().unwrap().message();
        assert!(message.contains(words), "{sql}: {message}");
    }
    // However the name is written.
    let escaped = by_options(r#"{"unique": {"key": "k"}}"#);
    client.simple_query(&escaped).await.unwrap();
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 1);
    queue.close().await.unwrap();
}

/// An id that is used again for another task does not stand for the first one.
#[tokio::test]
async fn c22_an_id_that_is_used_again_holds_its_own_key() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let id = TaskId::new();
    queue.enqueue(skip(1, "k").id(id)).await.unwrap();
    let held = queue.dequeue(next()).await.unwrap().unwrap();
    queue.complete(&held).await.unwrap();
    queue.enqueue(NewTask::new("other", &2).unwrap().id(id)).await.unwrap();
    assert!(queue.enqueue_unique(task(3, "k", OnConflict::Replace)).await.unwrap().is_new());
    assert_eq!(queue.get(id).await.unwrap().unwrap().func, "other");
    // The same id and the same key, while that task waits: it is another enqueue of it.
    let again = TaskId::new();
    let stable = |number: i64| task(number, "stable", OnConflict::Replace).id(again);
    assert!(queue.enqueue_unique(stable(4)).await.unwrap().is_new());
    assert_eq!(queue.enqueue_unique(stable(5)).await.unwrap(), Enqueued::Replaced(again));
    assert_eq!(queue.get(again).await.unwrap().unwrap().payload.decode::<i64>().unwrap(), 5);
    queue.close().await.unwrap();
}
