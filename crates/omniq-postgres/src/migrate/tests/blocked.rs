//! A migration whose tables others hold lets everything else go on.

use omniq_testkit::{TestDb, eventually};

use super::{ADDS, PATIENCE, after, assert_up_to, connect, log, number, settings, task};
use crate::migrate::files::Part;
use crate::migrate::migrate_to;

/// Found by a hostile reader: all calls waited behind the migration for as long as it waited, such as for a dump.
#[tokio::test]
async fn tasks_are_added_while_a_migration_waits_for_a_table_that_a_session_reads() {
    let db = TestDb::new().await;
    let (holder, witness) = (db.client().await, db.client().await);
    let backend = connect(&db).await;
    let (log, _guard) = log();
    let hold = "set application_name = 'a dump'; begin; lock table omniq.tasks in access share mode";
    holder.batch_execute(hold).await.unwrap();
    let migration = tokio::spawn({
        let settings = settings(&db);
        async move { migrate_to(&settings, &Part::ALL, *ADDS).await }
    });
    let waiting = "select count(*) from pg_locks
        where relation = 'omniq.tasks'::regclass and mode = 'AccessExclusiveLock' and not granted";
    // In the first attempt, and in one after a pause.
    for _ in 0..2 {
        eventually("the migration waits", PATIENCE, async || {
            (number(&witness, waiting).await == 1).then_some(())
        })
        .await;
        tokio::time::timeout(PATIENCE, backend.enqueue(task(1))).await.expect("it does not hang").unwrap();
    }
    assert!(!migration.is_finished());
    assert_up_to(&witness, Part::Tasks, after(Part::Tasks, 0)).await;
    let text = log.text();
    for words in ["WARN", "a migration waits for a lock", "(a dump) in a transaction since"] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }

    holder.batch_execute("commit").await.unwrap();
    let done = tokio::time::timeout(PATIENCE, migration).await.unwrap().unwrap().unwrap();
    assert_eq!(done.len(), 3, "{done:?}");
    assert_up_to(&witness, Part::Tasks, after(Part::Tasks, 1)).await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks where note = 'none'").await, 2);
}

/// A transaction that has read results and then asks for tasks, while the migration has the tasks and asks for results.
#[tokio::test]
async fn a_migration_that_is_undone_by_a_deadlock_is_tried_again() {
    let db = TestDb::new().await;
    let (holder, witness) = (db.client().await, db.client().await);
    connect(&db).await.close().await.unwrap();
    // The migration is the one that finds the deadlock, and fails.
    let hold = "set deadlock_timeout = '1h'; begin; lock table omniq.result_segments in access share mode";
    holder.batch_execute(hold).await.unwrap();
    let migration = tokio::spawn({
        let settings = settings(&db);
        async move { migrate_to(&settings, &Part::ALL, *ADDS).await }
    });
    let waiting = "select count(*) from pg_locks
        where relation = 'omniq.result_segments'::regclass and mode = 'AccessExclusiveLock' and not granted";
    eventually("the migration waits", PATIENCE, async || {
        (number(&witness, waiting).await == 1).then_some(())
    })
    .await;
    assert_eq!(number(&holder, "select count(*) from omniq.tasks").await, 0);
    holder.batch_execute("commit").await.unwrap();
    let done = tokio::time::timeout(PATIENCE, migration).await.unwrap().unwrap().unwrap();
    assert_eq!(done.len(), 3, "{done:?}");
}
