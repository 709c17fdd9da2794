//! What a transaction locks, and what goes on beside it.

use std::time::Duration;

use omniq::port::{Outcome, SettleMode};
use omniq::prelude::*;
use omniq::storage::postgres::UserConnection;
use omniq::{EventFilter, ResultFilter, ResultStatus, Task, TaskFilter, TaskResult};
use omniq_testkit::TestDb;

use super::{Driver, error, held, inside, settlement};
use crate::witness::{full, number};

#[tokio::test]
async fn c21_a_settlement_in_an_open_transaction_holds_up_no_other_of_its_segment() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let held = held(&backend, 12).await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 1, "a segment");
    let chosen: Vec<Task> = held.iter().skip(1).step_by(3).cloned().collect();
    let others: Vec<Task> = held.iter().filter(|task| !chosen.contains(task)).cloned().collect();
    inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
        queue.complete_many_in(on, &chosen).await.unwrap();
        let settled = tokio::time::timeout(Duration::from_secs(20), backend.queue().complete_many(&others));
        settled.await.expect("they wait for nothing").unwrap();
        assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 4);
        queue.close().await.unwrap();
    })
    .await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    assert_eq!(number(&witness, "select count(*) from omniq.queue_counts").await, 0);
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the result of an earlier life was in one row with those of other tasks, which the transaction locked.
#[tokio::test]
async fn c21_transactions_that_replace_results_of_one_row_do_not_wait_for_each_other() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let held_first = held(&backend, 10).await;
    let batch: Vec<_> = held_first
        .iter()
        .map(|task| {
            let mut one = settlement(task, Outcome::Fail { error: error() });
            one.result = Some(TaskResult::of(task, ResultStatus::Failed));
            one
        })
        .collect();
    backend.settle(&batch, SettleMode::All).await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.result_segments").await, 1, "in one row");
    let ids: Vec<TaskId> = held_first.iter().map(|task| task.id).collect();
    backend.queue().retry_many(&ids).await.unwrap();
    let held = backend.queue().dequeue_many(Dequeue::from(["default"]).limit(10)).await.unwrap();
    inside(Driver::Transaction, &db.url(), true, async |first: &mut dyn UserConnection| {
        backend.complete_in(first, &held[3], None).await.unwrap();
        let url = db.url();
        let second = inside(Driver::Sqlx, &url, true, async |second: &mut dyn UserConnection| {
            backend.complete_in(second, &held[4], None).await.unwrap();
            backend.complete(&held[5], None).await.unwrap();
        });
        tokio::time::timeout(Duration::from_secs(20), second).await.expect("it waits for nothing");
    })
    .await;
    let results = backend.results().unwrap();
    let of = async |status| {
        results.count(&ResultFilter { status: Some(status), ..ResultFilter::default() }).await.unwrap()
    };
    assert_eq!((of(ResultStatus::Completed).await, of(ResultStatus::Failed).await), (3, 7));
    assert_eq!(number(&witness, "select count(*) from omniq.results").await, 10, "one of each");
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the partition that the enqueue makes in the transaction was waited for by another connection.
#[tokio::test]
async fn c21_an_enqueue_and_a_completion_share_a_transaction_where_the_day_has_no_partition() {
    let db = TestDb::new().await;
    let (backend, witness) = (full(&db).await, db.client().await);
    let held = held(&backend, 2).await;
    let without = "do $$ declare part text; begin
        for part in select name from omniq.events_partitions loop execute format('drop table omniq.%I', part); end loop;
        delete from omniq.events_partitions; end $$";
    witness.batch_execute(without).await.unwrap();
    inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        backend.enqueue_in(on, NewTask::new("g", &1).unwrap()).await.unwrap();
        backend.complete_in(on, &held[0], None).await.unwrap();
        backend.fail_in(on, &held[1], error()).await.unwrap();
    })
    .await;
    let events = backend.events().unwrap().query(&EventFilter::default()).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["enqueued", "completed", "failed"]);
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the statement before the transaction's own had no limit.
#[tokio::test]
async fn c21_a_locked_segment_is_waited_for_as_long_as_for_a_connection() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).acquire_timeout(Duration::from_secs(1)).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let (held, mut holder) = (held(&backend, 3).await, db.client().await);
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("select from omniq.tasks for update").await.unwrap();
    inside(Driver::Transaction, &db.url(), true, async |on: &mut dyn UserConnection| {
        let refused = backend.complete_in(on, &held[0], None);
        let refused =
            tokio::time::timeout(Duration::from_secs(20), refused).await.expect("it ends").unwrap_err();
        assert!(refused.is_timeout() && refused.sqlstate() == Some("55P03"), "{refused:?}");
        lock.rollback().await.unwrap();
        // The transaction can go on.
        backend.complete_in(on, &held[0], None).await.unwrap();
    })
    .await;
    assert_eq!(backend.queue().count(&TaskFilter::default()).await.unwrap(), 2);
    backend.close().await.unwrap();
}

/// Found by a hostile reader: the close failed, and its error could undo the transaction.
#[tokio::test]
async fn c21_a_close_leaves_the_tasks_of_an_open_transaction_to_it() {
    for commit in [true, false] {
        let db = TestDb::new().await;
        let witness = db.client().await;
        let settings = Settings::builder().url(db.url()).lease(Duration::from_millis(500)).build().unwrap();
        let queue = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
        queue.enqueue_many(vec![NewTask::new("f", &1).unwrap(); 5]).await.unwrap();
        let held = queue.dequeue_many(Dequeue::from(["default"]).limit(5)).await.unwrap();
        inside(Driver::Transaction, &db.url(), commit, async |on: &mut dyn UserConnection| {
            queue.complete_many_in(on, &held[..2]).await.unwrap();
            queue.close().await.unwrap();
            assert_eq!(
                number(&witness, "select ready from omniq.queue_counts").await,
                3,
                "the others are back"
            );
        })
        .await;
        let other = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
        let expected = if commit { 3 } else { 5 };
        let mut seen = std::collections::HashSet::new();
        // Those of a rollback come back once the lease has ended.
        while seen.len() < expected {
            let request = Dequeue::from(["default"]).timeout(Duration::from_secs(20));
            seen.insert(other.dequeue(request).await.unwrap().expect("another one comes back").id);
        }
        assert_eq!(other.count(&TaskFilter::default()).await.unwrap(), expected as u64);
        other.close().await.unwrap();
    }
}
