//! C27, C28: many processes connect to an empty database at once, and a crash in the middle leaves nothing.

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq_testkit::{Process, TestDb, argument, eventually, heavy};

use crate::witness::{PATIENCE, exists, number};

/// The children connect with everything, enqueue a task, and end.
pub fn connect_as_child(_role: &str) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let settings = Settings::builder().url(argument("url").unwrap()).events("postgres").build().unwrap();
        let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
        backend.enqueue(NewTask::new("f", &std::process::id()).unwrap()).await.unwrap();
        backend.close().await.unwrap();
    });
}

#[tokio::test]
async fn c28_sixteen_processes_connect_to_an_empty_database_at_once() {
    let _turn = heavy();
    let db = TestDb::new().await;
    let url = db.url();
    let mut children: Vec<_> = (0..16).map(|_| Process::start("connect", &[("url", &url)])).collect();
    assert!(children.iter_mut().all(Process::join), "every one of them can work");
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 16);
    let twice = "select count(*) - count(distinct (part, version)) from omniq.migrations";
    assert_eq!(number(&witness, twice).await, 0);
}

/// The same within one process, over forty pools.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c28_forty_pools_connect_to_an_empty_database_at_once() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).events("postgres").pool_max(1).build().unwrap();
    let connects: Vec<_> = (0..40)
        .map(|_| {
            let settings = settings.clone();
            tokio::spawn(async move {
                let backend = AsyncPostgresBackend::with_settings(&settings).await?;
                backend.enqueue(NewTask::new("f", &1)?).await?;
                backend.close().await
            })
        })
        .collect();
    for connect in connects {
        connect.await.unwrap().unwrap();
    }
    assert_eq!(number(&db.client().await, "select count(*) from omniq.tasks").await, 40);
}

/// A process is killed while it migrates, and a session is: nothing is left of either, and the next migration succeeds.
#[tokio::test]
async fn c28_a_crash_within_a_migration_leaves_nothing() {
    let db = TestDb::new().await;
    let url = db.url();
    let witness = db.client().await;
    let mut blocker = db.client().await;
    let waits = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'omniq' and wait_event_type = 'Lock'";
    witness.batch_execute("create schema omniq").await.unwrap();
    for kill_the_session in [false, true] {
        // The results come after the tasks: the migration stops in its second half.
        let block = blocker.transaction().await.unwrap();
        block.batch_execute("create table omniq.results ()").await.unwrap();
        let mut child = Process::start("connect", &[("url", &url)]);
        eventually("it is in the middle", PATIENCE, async || {
            (number(&witness, waits).await == 1).then_some(())
        })
        .await;
        if kill_the_session {
            number(&witness, &waits.replace("count(*)", "count(pg_terminate_backend(pid))")).await;
            assert!(!child.join(), "it cannot go on without a schema");
        } else {
            child.kill();
        }
        block.rollback().await.unwrap();
        let gone = "select count(*) from pg_stat_activity
            where datname = current_database() and application_name = 'omniq'";
        eventually("it is gone", PATIENCE, async || (number(&witness, gone).await == 0).then_some(())).await;
        for table in ["migrations", "tasks", "workers", "results", "events"] {
            assert!(!exists(&witness, &format!("omniq.{table}")).await, "{table}");
        }
    }
    assert!(Process::start("connect", &[("url", &url)]).join());
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 1);
}
