//! Tasks that run after others, beside locks, claims, open transactions, lost callers and rows that are changed by SQL. Each test but the first
//! was found by a hostile reader.

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;
use tokio_postgres::Client;

fn task(number: i64) -> NewTask {
    NewTask::new("work", &number).unwrap().max_retries(0)
}

fn next(limit: u32) -> Dequeue {
    Dequeue::from(["default"]).limit(limit)
}

fn boom() -> TaskError {
    TaskError::new("Boom", "it broke")
}

async fn open(db: &TestDb) -> AsyncPostgresQueue {
    AsyncPostgresQueue::connect(&db.url()).await.unwrap()
}

async fn state(queue: &AsyncPostgresQueue, id: TaskId) -> Option<TaskState> {
    queue.get(id).await.unwrap().map(|task| task.state)
}

/// Holds the lock of those that act on notes, as if each caller had died right after its commit.
async fn nobody_acts(db: &TestDb) -> Client {
    let client = db.client().await;
    client.batch_execute("begin; select from omniq.advance_lock for update").await.unwrap();
    client
}

/// Ten thousand tasks of one call, from one to all and to one again.
#[tokio::test]
async fn c22_ten_thousand_tasks_of_one_call() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let mut first = task(0);
    let mut middle: Vec<NewTask> = (1..=10_000).map(|number| task(number).after([first.own_id()])).collect();
    let last = task(-1).after(middle.iter_mut().map(NewTask::own_id));
    let ids = queue.enqueue_many([first].into_iter().chain(middle).chain([last]).collect()).await.unwrap();
    queue.complete(&queue.dequeue(next(1)).await.unwrap().unwrap()).await.unwrap();
    for _ in 0..10 {
        assert_eq!(state(&queue, ids[10_001]).await, Some(TaskState::Blocked));
        let held = queue.dequeue_many(next(1_000)).await.unwrap();
        assert_eq!(held.len(), 1_000);
        queue.complete_many(&held).await.unwrap();
    }
    assert_eq!(state(&queue, ids[10_001]).await, Some(TaskState::Ready));
    queue.close().await.unwrap();
}

/// A row that is locked at the first look, and gone at the second.
#[tokio::test]
async fn c22_a_predecessor_that_was_locked_is_looked_at_again() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let before = queue.enqueue(task(1)).await.unwrap();
    let held = queue.dequeue(next(1)).await.unwrap().unwrap();
    let mut client = db.client().await;
    let mut transaction = client.transaction().await.unwrap();
    queue.complete_in(&mut transaction, &held).await.unwrap();
    let after = queue.enqueue(task(2).after([before])).await.unwrap();
    queue.maintain().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(state(&queue, after).await, Some(TaskState::Blocked));
    queue.maintain().await.unwrap();
    assert_eq!(state(&queue, after).await, Some(TaskState::Ready));
    queue.close().await.unwrap();
}

/// Claims cut slices off a segment, and settlements take tasks out of it, while others begin to wait for these tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_links_beside_claims_and_settlements_of_segments() {
    let db = TestDb::new().await;
    let (queue, other) = (open(&db).await, open(&db).await);
    for round in 0..40 {
        let before = queue.enqueue_many((0..60).map(task).collect()).await.unwrap();
        let works = async {
            loop {
                let held = other.dequeue_many(next(7 + round % 5)).await.unwrap();
                let Some(one) = held.first() else { return };
                assert!(before.contains(&one.id) || round > 0, "{one:?}");
                other.complete_many(&held[..held.len() / 2]).await.unwrap();
                other.complete_many(&held[held.len() / 2..]).await.unwrap();
            }
        };
        let waits = async {
            let mut after = Vec::new();
            for place in 0..6 {
                let wanted: Vec<TaskId> = before[place * 10..].to_vec();
                // Those that have ended without a trace, as nothing keeps results here, are not known any more.
                if let Ok(id) = queue.enqueue(task(1_000).queue("after").after(wanted)).await {
                    after.push(id);
                }
            }
            after
        };
        let (after, ()) = tokio::join!(waits, works);
        queue.maintain().await.unwrap();
        for id in after {
            assert_eq!(state(&queue, id).await, Some(TaskState::Ready), "round {round}");
        }
    }
    queue.close().await.unwrap();
    other.close().await.unwrap();
}

/// Notes that are acted on late tell nothing of a task that is there again.
#[tokio::test]
async fn c22_a_late_note_of_an_end_is_not_believed_against_the_row() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let before = queue.enqueue(task(1)).await.unwrap();
    let runs = queue.enqueue(task(2).queue("after").after([before]).if_failed(IfFailed::Run)).await.unwrap();
    let ends = queue.enqueue(task(3).queue("after").after([before])).await.unwrap();
    let nobody = nobody_acts(&db).await;
    queue.fail(&queue.dequeue(next(1)).await.unwrap().unwrap(), boom()).await.unwrap();
    queue.retry(before).await.unwrap();
    let held = queue.dequeue(next(1)).await.unwrap().unwrap();
    nobody.batch_execute("rollback").await.unwrap();
    queue.maintain().await.unwrap();
    for id in [runs, ends] {
        assert_eq!(state(&queue, id).await, Some(TaskState::Blocked));
    }
    assert!(queue.broken(10).await.unwrap().is_empty());
    let nobody = nobody_acts(&db).await;
    queue.complete(&held).await.unwrap();
    nobody.batch_execute("rollback").await.unwrap();
    queue.maintain().await.unwrap();
    for id in [runs, ends] {
        assert_eq!(state(&queue, id).await, Some(TaskState::Ready));
    }
    queue.close().await.unwrap();
}

/// A task with an id that one had before is another one.
#[tokio::test]
async fn c22_an_id_that_is_used_again_is_waited_for_again() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let before = queue.enqueue(task(1)).await.unwrap();
    let first = queue.enqueue(task(2).queue("after").after([before])).await.unwrap();
    queue.complete(&queue.dequeue(next(1)).await.unwrap().unwrap()).await.unwrap();
    assert_eq!(state(&queue, first).await, Some(TaskState::Ready));
    queue.enqueue(task(3).id(before)).await.unwrap();
    let second = queue.enqueue(task(4).queue("after").after([before])).await.unwrap();
    assert_eq!(state(&queue, second).await, Some(TaskState::Blocked));
    queue.complete(&queue.dequeue(next(1)).await.unwrap().unwrap()).await.unwrap();
    assert_eq!(state(&queue, second).await, Some(TaskState::Ready));
    queue.close().await.unwrap();
}

/// The retry of one leaves the others with the same predecessors as they are: they end.
#[tokio::test]
async fn c22_a_retry_leaves_those_beside_it_as_they_are() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let before = queue.enqueue(task(1)).await.unwrap();
    let both = queue.enqueue_many((2..4).map(|number| task(number).after([before])).collect()).await.unwrap();
    let further = queue.enqueue(task(4).after([both[1]])).await.unwrap();
    queue.fail(&queue.dequeue(next(1)).await.unwrap().unwrap(), boom()).await.unwrap();
    let broken = queue.broken(10).await.unwrap();
    let first = broken.iter().find(|broken| broken.task.id == both[0]).unwrap();
    let end = |broken: &Broken| Settlement::new(broken.task.id, None, Outcome::Fail { error: boom() });
    assert_eq!(queue.settle(&[end(first)], SettleMode::Each).await.unwrap(), [Settled::Done]);
    queue.retry(both[0]).await.unwrap();
    assert_eq!(state(&queue, both[0]).await, Some(TaskState::Blocked));
    // What was read before the retry does not end it.
    assert_eq!(queue.settle(&[end(first)], SettleMode::Each).await.unwrap(), [Settled::Lost]);
    for id in [both[1], further] {
        let broken = queue.broken(10).await.unwrap();
        let one = broken.iter().find(|broken| broken.task.id == id).unwrap();
        assert_eq!(queue.settle(&[end(one)], SettleMode::Each).await.unwrap(), [Settled::Done]);
    }
    queue.retry_many(&[before, both[1]]).await.unwrap();
    queue.complete(&queue.dequeue(next(1)).await.unwrap().unwrap()).await.unwrap();
    for id in both {
        assert_eq!(state(&queue, id).await, Some(TaskState::Ready));
    }
    queue.close().await.unwrap();
}

/// A note that cannot be acted on, and one whose row has been removed by SQL.
#[tokio::test]
async fn c22_a_bad_note_and_a_lost_row_hold_up_nothing() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let client = db.client().await;
    let before = queue.enqueue_many((0..4).map(task).collect()).await.unwrap();
    let mut after = Vec::new();
    for (number, id) in before.iter().enumerate() {
        after.push(queue.enqueue(task(number as i64).queue("after").after([*id])).await.unwrap());
    }
    let refuse = format!(
        "create function omniq.refuse_it() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
         create trigger refuse_it before update on omniq.nodes for each row when (old.id = '{}') execute function omniq.refuse_it()",
        before[1]
    );
    client.batch_execute(&refuse).await.unwrap();
    let held = queue.dequeue_many(next(4)).await.unwrap();
    queue.complete_many(&held[..3]).await.unwrap();
    assert_eq!(state(&queue, after[0]).await, Some(TaskState::Blocked));
    for _ in 0..2 {
        queue.maintain().await.unwrap_err();
    }
    let ready = Some(TaskState::Ready);
    assert_eq!([state(&queue, after[0]).await, state(&queue, after[2]).await], [ready; 2]);
    assert_eq!(state(&queue, after[1]).await, Some(TaskState::Blocked));
    client
        .batch_execute(
            "drop trigger refuse_it on omniq.nodes; delete from omniq.tasks where queue = 'default'",
        )
        .await
        .unwrap();
    queue.maintain().await.unwrap();
    assert_eq!(state(&queue, after[1]).await, ready);
    assert_eq!(state(&queue, after[3]).await, Some(TaskState::Blocked));
    client.batch_execute("update omniq.nodes set look_at = now()").await.unwrap();
    queue.maintain().await.unwrap();
    let broken = queue.broken(10).await.unwrap();
    assert_eq!(
        broken.iter().map(|broken| (broken.task.id, broken.by)).collect::<Vec<_>>(),
        [(after[3], before[3])]
    );
    queue.close().await.unwrap();
}

/// A transaction that adds a task with an id that others wait for holds up only that.
#[tokio::test]
async fn c22_an_open_enqueue_with_a_known_id_holds_up_no_other() {
    let db = TestDb::new().await;
    let queue = open(&db).await;
    let first = queue.enqueue(task(1)).await.unwrap();
    let chosen = TaskId::new();
    let mut client = db.client().await;
    queue.enqueue(task(2).id(chosen)).await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute("delete from omniq.tasks where id = $1", &[&chosen.as_uuid()]).await.unwrap();
    queue.enqueue_in(&mut transaction, task(3).id(chosen).after([first])).await.unwrap();
    let waits = queue.enqueue(task(4).queue("after").after([chosen])).await.unwrap();
    let other = queue.enqueue(task(5).queue("after").after([first])).await.unwrap();
    let began = std::time::Instant::now();
    let held = queue.dequeue_many(next(9)).await.unwrap();
    let one = held.iter().find(|task| task.id == first).unwrap();
    queue.complete(one).await.unwrap();
    queue.maintain().await.unwrap_err();
    assert_eq!(state(&queue, other).await, Some(TaskState::Ready));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(state(&queue, waits).await, Some(TaskState::Blocked));
    transaction.rollback().await.unwrap();
    queue.close().await.unwrap();
}
