//! C11 for Rust, where leaving a scope is a drop: a drop cleans up, too, and never hangs.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::{TestDb, eventually};

#[tokio::test]
async fn c11_leaving_the_scope_without_close_leaves_no_session_and_loses_no_task() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).lease(Duration::from_secs(1)).build().unwrap();
    let id = {
        let queue = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
        let id = queue.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
        assert!(queue.dequeue(Dequeue::from(["default"])).await.unwrap().is_some());
        let empty = Dequeue::from(["empty"]).timeout(Duration::from_millis(50));
        assert!(queue.dequeue(empty).await.unwrap().is_none());
        id
    };
    eventually("the sessions are gone", Duration::from_secs(10), async || {
        (db.sessions().await == 0).then_some(())
    })
    .await;
    // The held task comes back when the lease ends.
    let other = AsyncPostgresQueue::with_settings(&settings).await.unwrap();
    let request = Dequeue::from(["default"]).timeout(Duration::from_secs(30));
    let task = other.dequeue(request).await.unwrap().unwrap();
    assert_eq!((task.id, task.attempt), (id, 2));
    other.close().await.unwrap();
}
