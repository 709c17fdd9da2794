//! A claim makes due tasks ready in the same round trip: whichever of the two fails, no claimed task is lost.

use std::time::Duration;

use omniq_core::*;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;

/// Keeps scheduled tasks from becoming ready.
const TROUBLE: &str = "
    create function trouble() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
    create trigger trouble before update on omniq.tasks
        for each row when (old.state = 0 and new.state = 1) execute function trouble()";

#[tokio::test]
async fn a_claim_delivers_what_it_got_though_others_could_not_be_made_ready() {
    let db = TestDb::new().await;
    let queue = AsyncPostgresQueue::connect(&db.url()).await.unwrap();
    let task = || NewTask::new("f", &()).unwrap();
    let due = queue.enqueue(task().delay(Duration::from_millis(1))).await.unwrap();
    let ready = queue.enqueue(task()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let client = db.client().await;
    client.batch_execute(TROUBLE).await.unwrap();

    let worker = queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap();
    let request = Dequeue::from(["default"]).limit(10);
    let claimed = queue.claim(worker, &request).await.unwrap();
    assert_eq!(claimed.iter().map(|task| task.id).collect::<Vec<_>>(), [ready]);
    queue.complete_many(&claimed).await.unwrap();
    let error = queue.claim(worker, &request).await.unwrap_err();
    assert!(error.to_string().contains("not today"), "{error:?}");

    client.batch_execute("drop trigger trouble on omniq.tasks").await.unwrap();
    let claimed = queue.claim(worker, &request).await.unwrap();
    assert_eq!(claimed.iter().map(|task| (task.id, task.attempt)).collect::<Vec<_>>(), [(due, 1)]);
    queue.complete_many(&claimed).await.unwrap();
    queue.close().await.unwrap();
}
