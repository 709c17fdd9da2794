//! C20: bulk verbs are all or nothing.

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

const MANY: i64 = 500;

/// Each bulk verb handles many tasks in one call, in order.
pub async fn c20_bulk_of_many_tasks(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..MANY).await;
    let held = take_many(&queue, 10_000).await;
    assert_eq!(held.iter().map(|task| task.id).collect::<Vec<_>>(), ids);
    assert_eq!(numbers(&held), (0..MANY).collect::<Vec<_>>());
    queue.release_many(&held).await.unwrap();
    let held = take_many(&queue, 10_000).await;
    let (done, failed) = held.split_at(200);
    queue.complete_many(done).await.unwrap();
    let failed = failed.iter().map(|task| (task.clone(), boom())).collect();
    let states = queue.fail_many(failed).await.unwrap();
    assert_eq!(states, vec![TaskState::Scheduled; 300]);
    queue.retry_many(&ids[200..300]).await.unwrap();
    assert_eq!(numbers(&take_many(&queue, 10_000).await), (200..300).collect::<Vec<_>>());
    queue.delete_many(&ids[300..]).await.unwrap();
    assert_eq!(total(&queue).await, 100);
}

/// If one task is bad, nothing is enqueued.
pub async fn c20_bulk_enqueue_is_all_or_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let mut tasks: Vec<_> = (0..MANY).map(task).collect();
    tasks[300].queue = String::new();
    assert!(queue.enqueue_many(tasks).await.unwrap_err().is_invalid());
    assert_eq!(total(&queue).await, 0);
}

/// If one claim is lost, nothing is completed, failed or released.
pub async fn c20_bulk_finish_is_all_or_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..10).await;
    let held = take_many(&queue, 10).await;
    queue.release(&held[7]).await.unwrap();
    let failed = held.iter().map(|task| (task.clone(), boom())).collect();
    for refused in [
        queue.complete_many(&held).await,
        queue.release_many(&held).await,
        queue.fail_many(failed).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(error.is_claim_lost(), "{error:?}");
    }
    for (index, id) in ids.into_iter().enumerate() {
        let expected = if index == 7 { TaskState::Ready } else { TaskState::Running };
        assert_eq!(state(&queue, id).await, Some(expected));
    }
}

/// If one task does not exist or is running, nothing is deleted.
pub async fn c20_bulk_delete_is_all_or_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let ids = add(&queue, 0..10).await;
    let missing = [&ids[..], &[TaskId::new()]].concat();
    assert!(queue.delete_many(&missing).await.unwrap_err().is_not_found());
    assert_eq!(total(&queue).await, 10);
    take(&queue).await;
    assert!(queue.delete_many(&ids).await.unwrap_err().is_conflict());
    assert_eq!(total(&queue).await, 10);
    queue.delete_many(&[ids[3], ids[5], ids[3]]).await.unwrap();
    queue.delete_many(&[]).await.unwrap();
    assert_eq!(numbers(&queue.list(&TaskFilter::default()).await.unwrap()), [0, 1, 2, 4, 6, 7, 8, 9]);
    assert_eq!(numbers(&take_many(&queue, 10).await), [1, 2, 4, 6, 7, 8, 9]);
}

/// If one task does not exist or is running, nothing is retried.
pub async fn c20_bulk_retry_is_all_or_nothing(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let tasks = (0..3).map(|number| task(number).delay(HOUR));
    let ids = queue.enqueue_many(tasks.collect()).await.unwrap();
    let running = add(&queue, [3]).await[0];
    take(&queue).await;
    let missing = [&ids[..], &[TaskId::new()]].concat();
    assert!(queue.retry_many(&missing).await.unwrap_err().is_not_found());
    let busy = [&ids[..], &[running]].concat();
    assert!(queue.retry_many(&busy).await.unwrap_err().is_conflict());
    assert!(is_empty(&queue).await);
    queue.retry_many(&[ids[0], ids[2], ids[0]]).await.unwrap();
    queue.retry_many(&[]).await.unwrap();
    assert_eq!(numbers(&take_many(&queue, 10).await), [0, 2]);
}
