//! A migration that breaks closes the schema to the programs that it names, and to no others.

use omniq_core::{Error, ResultStorage};
use omniq_testkit::{Log, TestDb};

use super::{ADDS, BREAKS, connect, number, settings, task, versions};
use crate::db::Db;
use crate::migrate::files::{KNOWN, Known, Part};
use crate::migrate::{connect_as, migrate, migrate_to};
use crate::settings::Settings;
use crate::{AsyncPostgresBackend, AsyncPostgresQueue, AsyncPostgresResultStorage};

/// Connects as the program that knows these migrations.
async fn as_program(settings: &Settings, known: Known) -> Result<(), Error> {
    let db = Box::pin(Db::open(settings)).await.unwrap();
    let answer = connect_as(&db, &Part::ALL, known).await;
    db.close().await;
    answer
}

#[tokio::test]
async fn programs_below_the_version_that_a_migration_names_are_refused_and_change_nothing() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    let backend = connect(&db).await;
    backend.enqueue(task(1)).await.unwrap();
    backend.close().await.unwrap();
    migrate_to(&settings(&db), &Part::ALL, BREAKS).await.unwrap();
    let off = Settings { migrate: false, ..settings(&db) };
    let mut errors = Vec::new();
    for settings in [&settings(&db), &off] {
        // Boxed, here and below: opening a database takes 46 KB on the stack, several times that without optimization.
        errors.push(Box::pin(AsyncPostgresBackend::with_settings(settings)).await.unwrap_err());
        errors.push(Box::pin(AsyncPostgresQueue::with_settings(settings)).await.unwrap_err());
    }
    errors.push(Box::pin(migrate(&settings(&db), &Part::ALL)).await.unwrap_err());
    let words = [
        "the tasks in schema \"omniq\" are at version 3",
        "only programs at version 2 or newer",
        "is at version 1",
        "0003_settings breaks below 2: the column options is now called settings",
        "update OmniQ to release ",
    ];
    for error in errors {
        assert!(error.is_schema_too_new(), "{error:?}");
        for words in words {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
    }
    assert_eq!(versions(&witness, Part::Tasks).await, [1, 2, 3]);
    assert_eq!(number(&witness, "select count(*) from omniq.tasks where settings is null").await, 1);

    // It names version 2, and not its own.
    as_program(&settings(&db), ADDS).await.unwrap();
    as_program(&off, ADDS).await.unwrap();
    assert_eq!(Box::pin(migrate_to(&settings(&db), &Part::ALL, ADDS)).await.unwrap(), []);
    // A part that it does not touch stays open.
    let results = Box::pin(AsyncPostgresResultStorage::with_settings(&settings(&db))).await.unwrap();
    results.close().await.unwrap();
}

#[tokio::test]
async fn a_program_without_its_own_migrations_is_refused_until_they_are_applied() {
    let db = TestDb::new().await;
    let off = Settings { migrate: false, ..settings(&db) };
    migrate(&settings(&db), &[Part::Tasks, Part::Results]).await.unwrap();
    let error = as_program(&off, ADDS).await.unwrap_err();
    assert!(error.is_schema_missing(), "{error:?}");
    for words in ["0002_notes of the tasks", "run `omniq db migrate`", "migrate on"] {
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
    assert!(!error.to_string().contains("breaks"), "{error}");
    // That one of those missing breaks what may run is said in advance.
    let error = as_program(&off, BREAKS).await.unwrap_err();
    assert!(error.is_schema_missing(), "{error:?}");
    for words in ["0003_settings breaks below 2", "stop such programs first"] {
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
    as_program(&settings(&db), BREAKS).await.unwrap();
    as_program(&off, BREAKS).await.unwrap();
    assert!(as_program(&off, KNOWN).await.unwrap_err().is_schema_too_new());
}

#[tokio::test]
async fn a_migration_that_breaks_is_logged_as_a_warning_where_older_programs_may_run() {
    for (first, warns) in [(Some(KNOWN), true), (None, false)] {
        let db = TestDb::new().await;
        if let Some(first) = first {
            migrate_to(&settings(&db), &[Part::Tasks], first).await.unwrap();
        }
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        migrate_to(&settings(&db), &[Part::Tasks], BREAKS).await.unwrap();
        let warned = log.text().lines().any(|line| {
            line.contains("WARN") && line.contains("0003_settings of the tasks applied, which breaks below 2")
        });
        assert_eq!(warned, warns, "{}", log.text());
    }
}
