//! C28: versioned migrations: data is kept, and a schema that does not fit is refused with a clear message.

use omniq::backend::postgres::Settings;
use omniq::migrate::{self, Part};
use omniq::prelude::*;
use omniq_testkit::TestDb;

use crate::witness::{exists, full, number, rows};

fn settings(db: &TestDb) -> Settings {
    Settings::builder().url(db.url()).events("postgres").build().unwrap()
}

#[tokio::test]
async fn c28_migrating_again_keeps_the_data() {
    let db = TestDb::new().await;
    let backend = full(&db).await;
    let ids = [1, 2].map(|i| NewTask::new("f", &i).unwrap().metadata("note", "ä"));
    let ids = backend.enqueue_many(ids.to_vec()).await.unwrap();
    let task = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap().unwrap();
    backend.complete(&task, Some(Payload::json(&"done").unwrap())).await.unwrap();
    backend.close().await.unwrap();
    let witness = db.client().await;
    let before = rows(&witness).await;
    assert_eq!(migrate::migrate(&settings(&db), &Part::ALL).await.unwrap(), []);
    let status = migrate::status(&settings(&db), &Part::ALL).await.unwrap();
    assert!(status.len() == 3 && status.iter().all(|part| part.check().is_ok()), "{status:?}");
    assert_eq!(rows(&witness).await, before);

    let backend = full(&db).await;
    assert_eq!(backend.queue().get(ids[1]).await.unwrap().unwrap().metadata["note"], "ä");
    let value = backend.result(ids[0]).await.unwrap().unwrap().value.unwrap();
    assert_eq!(value.decode::<String>().unwrap(), "done");
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c28_parts_come_one_after_the_other() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    for (i, part) in Part::ALL.into_iter().enumerate() {
        let table = format!("omniq.{part}");
        assert!(!exists(&witness, &table).await);
        let done = migrate::migrate(&settings(&db), &Part::ALL[..=i]).await.unwrap();
        assert!(done.iter().all(|migration| migration.part == part), "{done:?}");
        assert!(exists(&witness, &table).await);
    }
}

#[tokio::test]
async fn c28_a_newer_schema_is_refused_and_left_alone() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let witness = db.client().await;
    let newer = "insert into omniq.migrations (part, version, name, checksum, usable_from, effect, release)
        values ('results', 999, 'future', 'x', 2, 'all values are gone', '9.8.7')";
    witness.batch_execute(newer).await.unwrap();
    let error = AsyncPostgresBackend::with_settings(&settings(&db)).await.unwrap_err();
    assert!(error.is_schema_too_new(), "{error:?}");
    for words in ["results", "0999_future", "all values are gone", "update OmniQ to release 9.8.7"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(migrate::migrate(&settings(&db), &Part::ALL).await.unwrap_err().is_schema_too_new());
    for part in migrate::status(&settings(&db), &Part::ALL).await.unwrap() {
        let refused = part.check().is_err_and(|error| error.is_schema_too_new());
        assert_eq!(refused, part.part == Part::Results, "{part:?}");
    }
    // A program that does not use that part is not affected.
    AsyncPostgresQueue::with_settings(&settings(&db)).await.unwrap().close().await.unwrap();
    assert_eq!(db.sessions().await, 1, "a refused connect leaves no session but the witness's");
}

#[tokio::test]
async fn c28_without_migrations_an_empty_database_gets_a_clear_error() {
    let db = TestDb::new().await;
    let off = Settings { migrate: false, ..settings(&db) };
    let error = AsyncPostgresBackend::with_settings(&off).await.unwrap_err();
    assert!(error.is_schema_missing(), "{error:?}");
    assert!(error.to_string().contains("omniq db migrate"), "{error}");
    let status = migrate::status(&off, &Part::ALL).await.unwrap();
    assert!(status.iter().all(|part| part.version == 0 && part.check().is_err()), "{status:?}");
    assert!(!exists(&db.client().await, "omniq.migrations").await, "nothing was made");

    // Only the results are there: a queue needs more.
    AsyncPostgresResultStorage::with_settings(&settings(&db)).await.unwrap().close().await.unwrap();
    let error = AsyncPostgresQueue::with_settings(&off).await.unwrap_err();
    assert!(error.is_schema_missing() && error.to_string().contains("tasks"), "{error:?}");
    AsyncPostgresResultStorage::with_settings(&off).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn c28_a_changed_migration_is_refused() {
    let db = TestDb::new().await;
    full(&db).await.close().await.unwrap();
    let witness = db.client().await;
    witness
        .batch_execute("update omniq.migrations set checksum = 'other' where part = 'tasks'")
        .await
        .unwrap();
    let error = AsyncPostgresQueue::connect(&db.url()).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("0001_tasks"), "{error:?}");
}

/// A table of the user is in the way: the error names the migration, and nothing of OmniQ is left.
#[tokio::test]
async fn c28_a_migration_that_fails_leaves_nothing() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    witness.batch_execute("create schema omniq; create table omniq.results (mine int)").await.unwrap();
    let error = AsyncPostgresBackend::connect(&db.url()).await.unwrap_err();
    assert!(error.to_string().contains("0001_results") && error.sqlstate() == Some("42P07"), "{error:?}");
    for table in ["migrations", "tasks", "workers"] {
        assert!(!exists(&witness, &format!("omniq.{table}")).await, "{table}");
    }
    assert_eq!(
        number(&witness, "select count(*) from omniq.results").await,
        0,
        "the user's table is untouched"
    );
}
