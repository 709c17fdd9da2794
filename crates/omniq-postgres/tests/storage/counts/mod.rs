//! The counts of queues: exact at any time, whatever writes, rolls up, rolls back or reads.

mod verbs;

use std::time::{Duration, Instant};

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_postgres::migrate::recount;
use omniq_postgres::settings::Settings;
use omniq_testkit::TestDb;
use tokio_postgres::Client;

type Figures = Vec<(String, [i64; 5])>;

async fn queue(db: &TestDb) -> AsyncPostgresQueue {
    AsyncPostgresQueue::connect(&db.url()).await.unwrap()
}

fn tasks(count: usize, queue: &str) -> Vec<NewTask> {
    (0..count).map(|number| NewTask::new("f", &number).unwrap().queue(queue)).collect()
}

async fn figures(client: &Client, view: &str) -> Figures {
    let rows = client.query(&format!("select * from omniq.{view} order by queue"), &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), [1, 2, 3, 4, 5].map(|column| row.get(column)))).collect()
}

async fn assert_right(client: &Client) -> Figures {
    let counted = figures(client, "scanned_counts").await;
    assert_eq!(figures(client, "queue_counts").await, counted);
    counted
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn roll_up(client: &Client) -> i64 {
    number(client, "select omniq.roll_up_counts()").await
}

/// A change of the counts without a task, `times` times, each in a transaction of its own.
async fn change(client: &Client, times: usize) {
    let sql = format!(
        "do $$ begin for n in 1..{times} loop
             insert into omniq.count_deltas (queue, ready) values ('q' || n % 3, 1); commit;
         end loop; end $$"
    );
    client.batch_execute(&sql).await.unwrap();
}

/// The number of pages that a read of all counts takes, once its plan is made.
async fn pages_read(client: &Client) -> i64 {
    let sql = "explain (analyze, buffers, format json) select * from omniq.queue_counts";
    let row = client.query_one(sql, &[]).await.unwrap();
    let plan: serde_json::Value = row.get(0);
    let pages = |kind: &str| plan[0]["Plan"][kind].as_i64().unwrap();
    pages("Shared Hit Blocks") + pages("Shared Read Blocks")
}

/// Every kind of change at once, rollups all the time, recounts now and then, and a reader that sees the right sum at each moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c19_counts_hold_under_eight_writers_and_eight_roll_ups() {
    let db = TestDb::new().await;
    let main = queue(&db).await;
    let until = Instant::now() + Duration::from_secs(4);
    let mut running = Vec::new();
    for number in 0..8_usize {
        let queue = queue(&db).await;
        running.push(tokio::spawn(async move {
            let worker = queue.register_worker(&WorkerInfo::new(["a", "b"])).await.unwrap();
            let name = if number % 2 == 0 { "a" } else { "b" };
            while Instant::now() < until {
                let ids = queue.enqueue_many(tasks(1 + number * 3, name)).await.unwrap();
                let request = Dequeue::from([name]).limit(1 + number as u32 * 2);
                let held = queue.claim(worker, &request).await.unwrap();
                for (place, task) in held.iter().enumerate() {
                    match (place + number) % 4 {
                        0 => queue.complete(task).await.unwrap(),
                        1 => queue.release(task).await.unwrap(),
                        2 => queue.snooze(task, Duration::from_secs(60)).await.unwrap(),
                        _ => queue.discard(task).await.unwrap(),
                    }
                }
                // Another worker may hold it: then it is asked to stop, or the call is refused, or the task is gone.
                let _ = queue.cancel(ids[0]).await.unwrap();
                let _ = queue.retry(ids[ids.len() / 2]).await;
            }
            queue.close().await.unwrap();
        }));
        let client = db.client().await;
        running.push(tokio::spawn(async move {
            while Instant::now() < until {
                roll_up(&client).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }));
    }
    let (witness, owner) = (db.client().await, db.client().await);
    running.push(tokio::spawn(async move {
        while Instant::now() < until {
            owner.query("select omniq.recount()", &[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }));
    let mut looks = 0;
    while Instant::now() < until || looks <= 10 {
        // One statement, one snapshot.
        let sql = "select (select count(*) from (table omniq.queue_counts except table omniq.scanned_counts) a)
                        + (select count(*) from (table omniq.scanned_counts except table omniq.queue_counts) b)";
        assert_eq!(number(&witness, sql).await, 0, "after {looks} looks");
        looks += 1;
    }
    for running in running {
        running.await.unwrap();
    }
    assert!(number(&witness, "select rollup from omniq.count_rollups").await > 2);
    assert!(!assert_right(&witness).await.is_empty());
    roll_up(&witness).await;
    assert_right(&witness).await;
    assert_eq!(number(&witness, "select count(*) from omniq.count_deltas").await, 0);
    main.close().await.unwrap();
}

#[tokio::test]
async fn c21_counts_follow_the_users_transaction() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let (mut user, witness) = (db.client().await, db.client().await);
    queue.enqueue_many(tasks(5, "q")).await.unwrap();
    for (commits, expected) in [(false, 5), (true, 8)] {
        let transaction = user.transaction().await.unwrap();
        let mut inner = transaction;
        queue.enqueue_many_in(&mut inner, tasks(2, "q")).await.unwrap();
        let savepoint = inner.transaction().await.unwrap();
        savepoint.query("select omniq.enqueue('f', queue => 'q')", &[]).await.unwrap();
        savepoint.commit().await.unwrap();
        let savepoint = inner.transaction().await.unwrap();
        savepoint.query("select omniq.enqueue('f', queue => 'q')", &[]).await.unwrap();
        savepoint.rollback().await.unwrap();
        // The transaction counts its own changes, other sessions do not; a rollup in between sums the committed ones.
        let own: i64 = inner.query_one("select ready from omniq.queue_counts", &[]).await.unwrap().get(0);
        assert_eq!(own, 8);
        assert_eq!(assert_right(&witness).await[0].1[0], 5);
        roll_up(&witness).await;
        assert_eq!(assert_right(&witness).await[0].1[0], 5);
        if commits {
            inner.commit().await.unwrap()
        } else {
            inner.rollback().await.unwrap()
        }
        assert_eq!(assert_right(&witness).await[0].1[0], expected);
    }
    roll_up(&witness).await;
    assert_eq!(assert_right(&witness).await[0].1[0], 8);
    queue.close().await.unwrap();
}

/// While a snapshot is held, deltas that were rolled up cannot be vacuumed; deltas of an open transaction are left out of rollups.
#[tokio::test]
async fn c19_a_read_of_counts_reads_no_more_pages_for_what_was_rolled_up_or_is_not_committed() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let (holder, writer, other) = (db.client().await, db.client().await, db.client().await);
    change(&other, 100).await;
    roll_up(&other).await;
    pages_read(&other).await;
    let few = pages_read(&other).await;
    let begin = "begin isolation level repeatable read; select * from omniq.queue_counts";
    holder.batch_execute(begin).await.unwrap();
    // One transaction is open before the rollups, one after them.
    let writes =
        "insert into omniq.count_deltas (queue, ready) select 'q0', 1 from generate_series(1, 20000)";
    writer.batch_execute(&format!("begin; {writes}")).await.unwrap();
    for _ in 0..50 {
        change(&other, 200).await;
        assert_eq!(roll_up(&other).await, 200);
    }
    let late = db.client().await;
    late.batch_execute(&format!("begin; {writes}")).await.unwrap();
    change(&other, 50).await;
    let dead = "select count(*) from omniq.count_deltas";
    assert_eq!(number(&holder, dead).await, 0, "the holder sees what was there when it began");
    // A read descends the index once for each open transaction of the whole server, and other tests share the server.
    let what = format!("a read of few more than {few} pages");
    omniq_testkit::eventually(&what, Duration::from_secs(20), async || {
        (pages_read(&other).await < few + 40).then_some(())
    })
    .await;
    // Deltas that were left out are counted once they are committed.
    let sum = "select sum(ready)::bigint from omniq.queue_counts";
    assert_eq!(number(&other, sum).await, 10_150);
    writer.batch_execute("commit").await.unwrap();
    assert_eq!(number(&other, sum).await, 30_150);
    assert_eq!(roll_up(&other).await, 20_050);
    late.batch_execute("commit").await.unwrap();
    assert_eq!(number(&other, sum).await, 50_150);
    assert_eq!(number(&holder, sum).await, 100);
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c19_one_session_rolls_up_at_a_time_and_no_other_waits() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let (slow, other) = (db.client().await, db.client().await);
    change(&other, 10).await;
    slow.batch_execute("begin").await.unwrap();
    assert_eq!(roll_up(&slow).await, 10);
    change(&other, 5).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), roll_up(&other)).await;
    assert_eq!(answer.expect("nobody waits"), 0);
    slow.batch_execute("rollback").await.unwrap();
    assert_eq!(number(&other, "select omniq.roll_up_counts(16)").await, 0, "fewer are left alone");
    assert_eq!(roll_up(&other).await, 15);
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c19_changes_by_hand_are_counted_by_a_recount() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let witness = db.client().await;
    queue.enqueue_many(tasks(10, "q")).await.unwrap();
    queue.enqueue_many(tasks(3, "r")).await.unwrap();
    witness.batch_execute("update omniq.tasks set queue = 's' where queue = 'r'").await.unwrap();
    assert_eq!(figures(&witness, "queue_counts").await[1].0, "r");
    // A recount waits for a writer in the middle of its transaction and counts its changes, also those by other SQL.
    let writer = db.client().await;
    writer.batch_execute("begin; update omniq.tasks set queue = 't' where queue = 's'").await.unwrap();
    let settings = Settings::from_url(&db.url()).unwrap();
    let counting = tokio::spawn(async move { recount(&settings).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!counting.is_finished());
    writer.batch_execute("commit").await.unwrap();
    counting.await.unwrap().unwrap();
    assert_eq!(
        assert_right(&witness).await,
        [("q".to_owned(), [10, 0, 0, 0, 0]), ("t".to_owned(), [3, 0, 0, 0, 0])]
    );
    queue.enqueue_many(tasks(1, "t")).await.unwrap();
    roll_up(&witness).await;
    assert_eq!(assert_right(&witness).await[1].1[0], 4);

    let begin = "begin isolation level repeatable read; select 1";
    witness.batch_execute(begin).await.unwrap();
    assert!(witness.query("select omniq.recount()", &[]).await.is_err(), "it would count what is past");
    witness.batch_execute("rollback").await.unwrap();

    witness.batch_execute("truncate omniq.tasks").await.unwrap();
    assert!(assert_right(&witness).await.is_empty());
    queue.enqueue_many(tasks(2, "q")).await.unwrap();
    assert_eq!(assert_right(&witness).await[0].1[0], 2);
    queue.close().await.unwrap();
}

/// A dump is restored to a cluster with lower transaction numbers.
#[tokio::test]
async fn c19_counts_survive_a_move_to_a_cluster_with_lower_transaction_numbers() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    let witness = db.client().await;
    queue.enqueue_many(tasks(10, "q")).await.unwrap();
    roll_up(&witness).await;
    queue.enqueue_many(tasks(1, "q")).await.unwrap();
    // As if both had been written in another cluster, much later.
    let moved = "update omniq.count_rollups set cluster = 1, snapshot = '9000000000:9000000010:9000000003';
                 update omniq.count_deltas set tx = '9000000005'";
    witness.batch_execute(moved).await.unwrap();
    assert_eq!(assert_right(&witness).await[0].1[0], 11);
    queue.enqueue_many(tasks(100, "q")).await.unwrap();
    assert_eq!(assert_right(&witness).await[0].1[0], 111);
    assert_eq!(roll_up(&witness).await, 2);
    queue.enqueue_many(tasks(1, "q")).await.unwrap();
    assert_eq!(assert_right(&witness).await[0].1[0], 112);
    queue.close().await.unwrap();
}

/// Also without a worker.
#[tokio::test]
async fn c19_a_session_that_writes_much_rolls_up_at_intervals() {
    let db = TestDb::new().await;
    let queue = queue(&db).await;
    for number in 0..1_200_i64 {
        // One after the other, so that each is a statement of its own.
        queue.enqueue(NewTask::new("f", &number).unwrap()).await.unwrap();
    }
    let witness = db.client().await;
    let rolled_up = omniq_testkit::eventually("a roll-up", Duration::from_secs(30), async || {
        (number(&witness, "select count(*) from omniq.count_deltas").await <= 200).then_some(())
    });
    rolled_up.await;
    assert_eq!(assert_right(&witness).await[0].1[0], 1_200);
    // And in a worker's maintenance.
    change(&witness, 600).await;
    queue.maintain().await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.count_deltas").await, 0);
    queue.close().await.unwrap();
}
