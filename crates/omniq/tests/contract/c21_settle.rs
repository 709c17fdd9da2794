//! C21: a task's end is written with its result and its events in one transaction: all or nothing.

use std::time::Duration;

use omniq::prelude::*;
use omniq::{Task, TaskError, TaskState};
use omniq_testkit::{TestDb, eventually};
use tokio_postgres::Client;

use crate::witness::{PATIENCE, full, number, rows};

async fn held(db: &TestDb) -> (AsyncPostgresBackend, Task, Client) {
    let backend = full(db).await;
    backend.enqueue(NewTask::new("f", &1).unwrap().max_retries(0)).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    (backend, task, db.client().await)
}

async fn assert_still_held(backend: &AsyncPostgresBackend, task: &Task, witness: &Client) {
    let now = backend.queue().get(task.id).await.unwrap().unwrap();
    assert_eq!((now.state, now.claim, now.attempt), (TaskState::Running, task.claim, 1));
    assert_eq!(number(witness, "select count(*) from omniq.results").await, 0);
    let ends = "select count(*) from omniq.events where kind <> 'enqueued'";
    assert_eq!(number(witness, ends).await, 0);
}

/// The session is killed after the task was removed and before the result is written.
#[tokio::test]
async fn c21_a_connection_that_breaks_within_a_settle_leaves_all_as_it_was() {
    let db = TestDb::new().await;
    let (backend, task, witness) = held(&db).await;
    for table in ["results", "events"] {
        let mut locker = db.client().await;
        let lock = locker.transaction().await.unwrap();
        lock.batch_execute(&format!("lock table omniq.{table} in share mode")).await.unwrap();
        let completing = tokio::spawn({
            let (backend, task) = (backend.clone(), task.clone());
            async move { backend.complete(&task, Some(Payload::json(&1).unwrap())).await }
        });
        let waits = "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = current_database() and application_name = 'omniq' and wait_event_type = 'Lock'";
        eventually("it is half done", PATIENCE, async || (number(&witness, waits).await > 0).then_some(()))
            .await;
        let error = completing.await.unwrap().unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        lock.rollback().await.unwrap();
        assert_still_held(&backend, &task, &witness).await;
    }
    backend.complete(&task, Some(Payload::json(&1).unwrap())).await.unwrap();
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0);
    assert_eq!(number(&witness, "select count(*) from omniq.results").await, 1);
    assert_eq!(number(&witness, "select count(*) from omniq.events where kind = 'completed'").await, 1);
    backend.close().await.unwrap();
}

/// The database refuses the result: the task stays held, and nothing is written.
#[tokio::test]
async fn c21_a_result_that_is_refused_keeps_the_task() {
    let db = TestDb::new().await;
    let (backend, task, witness) = held(&db).await;
    let trouble = "create function trouble() returns trigger language plpgsql as
        $$ begin raise exception 'no room'; end $$;
        create trigger trouble before insert on omniq.result_segments for each row execute function trouble()";
    witness.batch_execute(trouble).await.unwrap();
    let error = backend.complete(&task, None).await.unwrap_err();
    assert!(error.to_string().contains("no room"), "{error:?}");
    assert_still_held(&backend, &task, &witness).await;
    let error = backend.fail(&task, TaskError::new("E", "e")).await.unwrap_err();
    assert!(error.to_string().contains("no room"), "{error:?}");
    assert_still_held(&backend, &task, &witness).await;
    witness.batch_execute("drop trigger trouble on omniq.result_segments").await.unwrap();
    assert_eq!(backend.fail(&task, TaskError::new("E", "e")).await.unwrap(), TaskState::Dead);
    backend.close().await.unwrap();
}

/// A lost claim writes neither result nor event, and fails the whole batch of a bulk call.
#[tokio::test]
async fn c21_a_lost_claim_writes_nothing() {
    let db = TestDb::new().await;
    let (backend, task, witness) = held(&db).await;
    backend.enqueue(NewTask::new("f", &2).unwrap()).await.unwrap();
    let other = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    backend.queue().release(&task).await.unwrap();
    let before = rows(&witness).await;
    assert!(backend.complete(&task, None).await.unwrap_err().is_claim_lost());
    assert!(backend.fail(&task, TaskError::new("E", "e")).await.unwrap_err().is_claim_lost());
    let both = [other.clone(), task.clone()];
    assert!(backend.queue().complete_many(&both).await.unwrap_err().is_claim_lost());
    assert!(backend.queue().release_many(&both).await.unwrap_err().is_claim_lost());
    let failed = both.map(|task| (task, TaskError::new("E", "e"))).to_vec();
    assert!(backend.queue().fail_many(failed).await.unwrap_err().is_claim_lost());
    assert!(backend.queue().snooze(&task, Duration::from_secs(1)).await.unwrap_err().is_claim_lost());
    assert_eq!(rows(&witness).await, before);
    backend.complete(&other, None).await.unwrap();
    backend.close().await.unwrap();
}
