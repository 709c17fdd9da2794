//! Older and later programs that migrate one database at the same time.

use omniq_core::Result;
use omniq_testkit::{TestDb, eventually};

use super::{ADDS, BREAKS, PATIENCE, after, assert_up_to, last_of, number, settings};
use crate::AsyncPostgresBackend;
use crate::migrate::apply::lock_key;
use crate::migrate::files::{KNOWN, Known, Part};
use crate::migrate::{MigrationStatus, migrate_to};
use crate::sql::schema::Schema;

/// Lets these programs migrate at once: each waits for the lock that the test holds, and they get it in this order.
async fn in_turn(db: &TestDb, programs: &[Known]) -> Vec<Result<Vec<MigrationStatus>>> {
    let (holder, witness) = (db.client().await, db.client().await);
    let lock = format!("select pg_advisory_lock({})", lock_key(&Schema::new("omniq").unwrap()));
    holder.batch_execute(&lock).await.unwrap();
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())";
    let mut running = Vec::new();
    for (program, place) in programs.iter().zip(1..) {
        let (settings, program) = (settings(db), *program);
        running.push(tokio::spawn(async move { migrate_to(&settings, &Part::ALL, program).await }));
        eventually("it waits for the lock", PATIENCE, async || {
            (number(&witness, waiting).await == place).then_some(())
        })
        .await;
    }
    holder.batch_execute("select pg_advisory_unlock_all()").await.unwrap();
    let mut answers = Vec::new();
    for program in running {
        answers.push(program.await.unwrap());
    }
    answers
}

fn applied(answer: &Result<Vec<MigrationStatus>>) -> usize {
    answer.as_ref().unwrap_or_else(|error| panic!("{error:?}")).len()
}

#[tokio::test]
async fn an_older_and_a_later_program_that_migrate_at_once_apply_each_migration_once() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    let ours = KNOWN.wanted(&Part::ALL).count();
    let answers = in_turn(&db, &[KNOWN, *ADDS, KNOWN, *ADDS]).await;
    assert_eq!(answers.iter().map(applied).collect::<Vec<_>>(), [ours, 3, 0, 0]);

    let db_of_later = TestDb::new().await;
    let answers = in_turn(&db_of_later, &[*ADDS, KNOWN]).await;
    assert_eq!(answers.iter().map(applied).collect::<Vec<_>>(), [ours + 3, 0]);

    // The later one closes the schema while the older one waits.
    let answers = in_turn(&db, &[*BREAKS, KNOWN, *ADDS]).await;
    assert_eq!(applied(&answers[0]), 1);
    let error = answers[1].as_ref().unwrap_err();
    assert!(error.is_schema_too_new() && error.to_string().contains(&last_of(*BREAKS)), "{error:?}");
    assert_eq!(applied(&answers[2]), 0);
    assert_up_to(&witness, Part::Tasks, after(Part::Tasks, 2)).await;
}

#[tokio::test]
async fn older_and_later_programs_that_connect_to_an_empty_database_at_once_can_all_work() {
    let db = TestDb::new().await;
    let connects: Vec<_> = (0..16)
        .map(|number| {
            let settings = settings(&db);
            tokio::spawn(async move {
                if number % 2 == 0 {
                    return migrate_to(&settings, &Part::ALL, *ADDS).await.map(drop);
                }
                let backend = AsyncPostgresBackend::with_settings(&settings).await?;
                backend.enqueue(super::task(number)).await?;
                backend.close().await
            })
        })
        .collect();
    for connect in connects {
        connect.await.unwrap().unwrap();
    }
    let witness = db.client().await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks where note = 'none'").await, 8);
    for part in Part::ALL {
        assert_up_to(&witness, part, after(part, 1)).await;
    }
}
