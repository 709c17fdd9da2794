//! C14: single enqueues that arrive together share statements, and each caller gets its own answer.

use std::time::Duration;

use futures_util::future::join_all;
use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::{TestDb, eventually};

fn task(number: usize) -> NewTask {
    NewTask::new("f", &number).unwrap().queue(format!("q{}", number % 3))
}

#[tokio::test]
async fn c14_calls_that_arrive_together_are_all_durable() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let ids = join_all((0..2_000).map(|number| queue.enqueue(task(number)))).await;
    let mut ids: Vec<_> = ids.into_iter().map(|id| id.unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2_000);
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 2_000);
    // Far fewer transactions than tasks: the query counts those that wrote tasks.
    let statements: i64 = db
        .client()
        .await
        .query_one("select count(distinct xmin::text::bigint) from omniq.tasks", &[])
        .await
        .unwrap()
        .get(0);
    assert!(statements <= 200, "{statements} transactions");
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c14_one_bad_task_fails_its_own_caller_only() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let twice = TaskId::new();
    queue.enqueue(task(0).id(twice)).await.unwrap();
    let same = TaskId::new();
    let answers = join_all((0..60).map(|number| {
        let new = match number {
            10 | 40 => task(number).id(twice),
            20 | 30 => task(number).id(same),
            50 => task(number).queue(""),
            _ => task(number),
        };
        queue.enqueue(new)
    }))
    .await;
    for (number, answer) in answers.iter().enumerate() {
        match number {
            10 | 40 => assert!(answer.as_ref().unwrap_err().is_duplicate(), "{number}: {answer:?}"),
            50 => assert!(answer.as_ref().unwrap_err().is_invalid(), "{number}: {answer:?}"),
            20 | 30 => {}
            _ => assert!(answer.is_ok(), "{number}: {answer:?}"),
        }
    }
    // Of two calls with the same id one succeeds, whichever came first.
    assert_eq!([20, 30].into_iter().filter(|number| answers[*number].is_ok()).count(), 1);
    assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 1 + 60 - 4);
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c14_a_caller_that_gives_up_affects_no_other_caller() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let calls = (0..200).map(|number| {
        let call = queue.enqueue(task(number));
        async move {
            // Every third caller gives up at once, also while it sends calls of others.
            let patience = if number % 3 == 0 { Duration::ZERO } else { Duration::from_secs(60) };
            tokio::time::timeout(patience, call).await.ok()
        }
    });
    let answers = join_all(calls).await;
    for (number, answer) in answers.into_iter().enumerate() {
        if number % 3 != 0 {
            answer.expect("an answer").unwrap();
        }
    }
    queue.close().await.unwrap();
}

/// Each call is alone, and sent in its caller's future until the caller drops that.
#[tokio::test]
async fn c14_a_lone_call_that_is_given_up_is_carried_out_all_the_same() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    queue.enqueue(task(0)).await.unwrap();
    for number in 1..=20 {
        let _ = tokio::time::timeout(Duration::ZERO, queue.enqueue(task(number))).await;
        eventually("the task is there", Duration::from_secs(30), async || {
            (queue.count(&TaskFilter::default()).await.unwrap() == number as u64 + 1).then_some(())
        })
        .await;
    }
    queue.close().await.unwrap();
}

#[tokio::test]
async fn c14_calls_that_wait_for_a_lock_delay_no_other_call() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let mut client = db.client().await;
    let mut open = client.transaction().await.unwrap();
    let ids: Vec<_> = (0..2).map(|_| TaskId::new()).collect();
    let stuck: Vec<_> = ids.iter().map(|id| task(0).id(*id)).collect();
    queue.enqueue_many_in(&mut open, stuck.clone()).await.unwrap();
    // The same ids again: whether they are in use is not known until that transaction ends.
    let waiting: Vec<_> = stuck
        .into_iter()
        .map(|new| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.enqueue(new).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for number in 0..10 {
        let new = if number % 2 == 0 { task(number) } else { task(number).id(TaskId::new()) };
        let call = tokio::time::timeout(Duration::from_secs(20), queue.enqueue(new));
        call.await.expect("an answer").unwrap();
    }
    open.commit().await.unwrap();
    for caller in waiting {
        assert!(caller.await.unwrap().unwrap_err().is_duplicate());
    }
    queue.close().await.unwrap();
}

/// The runtime on which sending began ends: callers on another runtime get an answer or an error, and later calls succeed.
#[test]
fn c14_the_end_of_a_runtime_leaves_no_caller_waiting() {
    let lasting = tokio::runtime::Runtime::new().unwrap();
    let db = lasting.block_on(TestDb::new());
    let queue = lasting.block_on(AsyncPostgresQueue::connect(&db.url())).unwrap();
    for round in 0..10 {
        let passing = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Begins to send, and is dropped with the call in flight.
        passing.block_on(async {
            let _ = tokio::time::timeout(Duration::ZERO, queue.enqueue(task(round))).await;
        });
        let others: Vec<_> = (0..5)
            .map(|number| {
                let queue = queue.clone();
                lasting.spawn(async move { queue.enqueue(task(number)).await })
            })
            .collect();
        drop(passing);
        lasting.block_on(async {
            for other in others {
                match tokio::time::timeout(Duration::from_secs(30), other).await.expect("an answer").unwrap()
                {
                    Ok(_) => {}
                    Err(error) => assert!(error.is_unavailable(), "{error:?}"),
                }
            }
            queue.enqueue(task(round)).await.unwrap();
        });
    }
    lasting.block_on(queue.close()).unwrap();
}
