//! Verbs by filter beside sessions that change the same tasks: what the filter does not select any more is left alone.

use omniq_core::*;
use omniq_postgres::{AsyncPostgresBackend, AsyncPostgresQueue};
use omniq_testkit::{TestDb, eventually};

use super::{PATIENCE, enqueue_each, hold};

/// Six dead letters in rows of their own.
async fn six_dead(queue: &AsyncPostgresQueue) -> Vec<TaskId> {
    let task = NewTask::new("f", &()).unwrap().max_retries(0);
    let ids = enqueue_each(queue, vec![task; 6]).await;
    let held = queue.dequeue_many(Dequeue::from(["default"]).limit(6)).await.unwrap();
    let failed = held.into_iter().map(|task| (task, TaskError::new("Down", "x")));
    queue.fail_many(failed.collect()).await.unwrap();
    ids
}

/// Found by design: by id, a delete of what was listed as dead would remove the task that was brought back meanwhile.
#[tokio::test]
async fn c18_what_changes_meanwhile_is_left_alone() {
    let filter =
        TaskFilter { state: Some(TaskState::Dead), error: Some("Down".to_owned()), ..TaskFilter::default() };
    for delete in [true, false] {
        let db = TestDb::new().await;
        let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
        let ids = six_dead(&queue).await;
        let (holder, witness) = (hold(&db, &ids[..3]).await, db.client().await);
        let (other, filter) = (queue.clone(), filter.clone());
        let all = tokio::spawn(async move {
            if delete { other.delete_all(&filter).await } else { other.retry_all(&filter).await }
        });
        eventually("it waits for a lock", PATIENCE, async || {
            let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            (witness.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
        })
        .await;
        // One is scheduled, one fails with another error, one is removed.
        for (id, change) in [
            (ids[0], "update omniq.tasks set state = 0, ended_at = null, run_at = now() + interval '1 hour'"),
            (ids[1], "update omniq.tasks set error = '{\"type\": \"Other\", \"message\": \"x\"}'"),
            (ids[2], "delete from omniq.tasks"),
        ] {
            holder.execute(&format!("{change} where id = $1"), &[&id.as_uuid()]).await.unwrap();
        }
        holder.batch_execute("commit").await.unwrap();
        assert_eq!(all.await.unwrap().unwrap(), 3, "delete: {delete}");
        let left = queue.list(&TaskFilter::default()).await.unwrap();
        let states: Vec<_> = left.iter().map(|task| (task.id, task.state)).collect();
        let mut wanted = vec![(ids[0], TaskState::Scheduled), (ids[1], TaskState::Dead)];
        if !delete {
            wanted.extend(ids[3..].iter().map(|id| (*id, TaskState::Ready)));
        }
        assert_eq!(states, wanted, "delete: {delete}");
        queue.close().await.unwrap();
    }
}

/// What is enqueued while a verb by filter waits in its first page is not there for it, in no later page either.
#[tokio::test]
async fn c18_what_is_enqueued_after_the_call_has_begun_is_left_alone() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let (witness, results) = (db.client().await, AsyncPostgresBackend::connect(&db.url()).await.unwrap());
    for verb in ["retry", "cancel", "delete"] {
        let old = (0..1_001).map(|_| NewTask::new("f", &()).unwrap().id(TaskId::new()).delay(PATIENCE * 100));
        let ids = queue.enqueue_many(old.collect()).await.unwrap();
        let holder = hold(&db, &ids[..1]).await;
        let (other, canceller) = (queue.clone(), results.clone());
        let filter = TaskFilter { state: Some(TaskState::Scheduled), ..TaskFilter::default() };
        let all = tokio::spawn(async move {
            match verb {
                "retry" => other.retry_all(&filter).await,
                "cancel" => canceller.cancel_all(&filter).await.map(|counts| counts.done),
                _ => other.delete_all(&filter).await,
            }
        });
        if verb == "cancel" {
            // It passes over rows that are locked, and comes back to them.
            eventually("it has begun", PATIENCE, async || {
                (queue.count(&TaskFilter::default()).await.unwrap() < 500).then_some(())
            })
            .await;
        } else {
            eventually("it waits for a lock", PATIENCE, async || {
                let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
                (witness.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
            })
            .await;
        }
        let later = queue.enqueue(NewTask::new("later", &()).unwrap().delay(PATIENCE * 100)).await.unwrap();
        holder.batch_execute("rollback").await.unwrap();
        assert_eq!(all.await.unwrap().unwrap(), 1_001, "{verb}");
        assert_eq!(queue.get(later).await.unwrap().unwrap().state, TaskState::Scheduled, "{verb}");
        queue.purge(&TaskFilter::default()).await.unwrap();
    }
    results.close().await.unwrap();
    queue.close().await.unwrap();
}

/// A task whose segment is split because another task of it is changed is not left out.
#[tokio::test]
async fn c18_a_segment_that_is_split_meanwhile_is_taken_whole() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let ids = queue.enqueue_many(vec![NewTask::new("f", &()).unwrap(); 50]).await.unwrap();
    let (holder, witness) = (hold(&db, &ids[..1]).await, db.client().await);
    let waiting = async |wanted: i64| {
        eventually("they wait for a lock", PATIENCE, async || {
            let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            (witness.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == wanted).then_some(())
        })
        .await;
    };
    let (updating, deleting, id) = (queue.clone(), queue.clone(), ids[20]);
    let update = TaskUpdate { queue: Some("other".to_owned()), ..TaskUpdate::default() };
    let updated = tokio::spawn(async move { updating.update(id, update).await });
    waiting(1).await;
    let filter = TaskFilter { queue: Some("default".to_owned()), ..TaskFilter::default() };
    let deleted = tokio::spawn(async move { deleting.delete_all(&filter).await });
    waiting(2).await;
    holder.batch_execute("rollback").await.unwrap();
    updated.await.unwrap().unwrap();
    assert_eq!(deleted.await.unwrap().unwrap(), 49);
    let left = queue.list(&TaskFilter::default()).await.unwrap();
    assert_eq!(left.iter().map(|task| task.id).collect::<Vec<_>>(), [ids[20]]);
    queue.close().await.unwrap();
}
