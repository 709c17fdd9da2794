//! A migration that breaks closes the schema to the programs that it names, and to no others.

use omniq_core::{Dequeue, ResultStorage};
use omniq_testkit::TestDb;

use super::{
    ADDS, BREAKS, FAILS, PATIENCE, RENAMES, after, assert_up_to, connect, last_of, log, number, program,
    results, settings, task, worker,
};
use crate::migrate::files::{KNOWN, Part};
use crate::migrate::{migrate, migrate_to};
use crate::settings::Settings;
use crate::{AsyncPostgresBackend, AsyncPostgresQueue, AsyncPostgresResultStorage};

#[tokio::test]
async fn programs_below_the_version_that_a_migration_names_are_refused_and_change_nothing() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    let backend = connect(&db).await;
    let before = backend.enqueue(task(1)).await.unwrap();
    backend.close().await.unwrap();
    migrate_to(&settings(&db), &Part::ALL, *BREAKS).await.unwrap();
    let off = Settings { migrate: false, ..settings(&db) };
    let mut errors = Vec::new();
    for settings in [&settings(&db), &off] {
        // Boxed, here and below: opening a database takes 46 KB on the stack, several times that without optimization.
        errors.push(Box::pin(AsyncPostgresBackend::with_settings(settings)).await.unwrap_err());
        errors.push(Box::pin(AsyncPostgresQueue::with_settings(settings)).await.unwrap_err());
    }
    errors.push(Box::pin(migrate(&settings(&db), &Part::ALL)).await.unwrap_err());
    let [ours, next, last] = [0, 1, 2].map(|later| after(Part::Tasks, later));
    let words = [
        &format!("the tasks in schema \"omniq\" are at version {last}"),
        &format!("only programs at version {next} or newer"),
        &format!("is at version {ours}"),
        &format!("{last:04}_view breaks below {next}: the view task_list is gone"),
        "update OmniQ to release ",
    ];
    for error in errors {
        assert!(error.is_schema_too_new(), "{error:?}");
        for words in words {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
    }
    assert_up_to(&witness, Part::Tasks, last).await;
    assert_eq!(number(&witness, "select count(*) from omniq.tasks where note = 'none'").await, 1);

    // It names the version before its own: such programs work as before.
    for settings in [settings(&db), off] {
        let backend = program(&settings, *ADDS).await.unwrap();
        let ids = [before, backend.enqueue(task(2)).await.unwrap()];
        worker(&backend, &["default"]).run_until_idle().await.unwrap();
        results(&backend, &ids, [1, 2]).await;
        backend.close().await.unwrap();
    }
    assert_eq!(Box::pin(migrate_to(&settings(&db), &Part::ALL, *ADDS)).await.unwrap(), []);
    // A part that it does not touch stays open.
    let results = Box::pin(AsyncPostgresResultStorage::with_settings(&settings(&db))).await.unwrap();
    results.close().await.unwrap();
}

#[tokio::test]
async fn a_program_without_its_own_migrations_is_refused_until_they_are_applied() {
    let db = TestDb::new().await;
    let off = Settings { migrate: false, ..settings(&db) };
    migrate(&settings(&db), &[Part::Tasks, Part::Results]).await.unwrap();
    let error = program(&off, *ADDS).await.unwrap_err();
    assert!(error.is_schema_missing(), "{error:?}");
    for words in [
        &*format!("{} of the tasks", last_of(*ADDS)),
        "run `omniq db migrate --part tasks --part results --part events` as the schema's owner",
        "migrate on",
    ] {
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
    assert!(!error.to_string().contains("breaks"), "{error}");
    // That one of those missing breaks what may run is said in advance.
    let error = program(&off, *BREAKS).await.unwrap_err();
    assert!(error.is_schema_missing(), "{error:?}");
    let breaks = format!("{} of the tasks breaks below {}", last_of(*BREAKS), after(Part::Tasks, 1));
    for words in [&*breaks, "stop such programs first"] {
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
    for settings in [&settings(&db), &off] {
        program(settings, *BREAKS).await.unwrap().close().await.unwrap();
    }
    assert!(program(&off, KNOWN).await.unwrap_err().is_schema_too_new());
}

/// Found by a hostile reader: a missing column was an internal error, on which workers went on for ever.
#[tokio::test]
async fn programs_that_a_migration_breaks_while_they_are_connected_stop_and_say_why() {
    let db = TestDb::new().await;
    let backend = connect(&db).await;
    let running = worker(&backend, &["default"]);
    let running = tokio::spawn(running.run());
    let id = backend.enqueue(task(1)).await.unwrap();
    results(&backend, &[id], [1]).await;
    migrate_to(&settings(&db), &[Part::Tasks], *RENAMES).await.unwrap();

    let of_enqueue = backend.enqueue(task(1)).await.unwrap_err();
    let of_claim = backend.queue().dequeue(Dequeue::from(["default"])).await.unwrap_err();
    let of_worker = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap_err();
    for error in [of_enqueue, of_claim, of_worker] {
        assert!(error.is_schema_too_new(), "{error:?}");
        for words in ["the column options is now called settings", "update OmniQ to release "] {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
        let cause = std::error::Error::source(&error).unwrap().downcast_ref::<omniq_core::Error>().unwrap();
        assert!(cause.is_schema_missing() && cause.sqlstate() == Some("42703"), "{cause:?}");
    }
}

#[tokio::test]
async fn a_migration_that_breaks_is_logged_as_a_warning_where_older_programs_may_run() {
    for (first, warns) in [(Some(KNOWN), true), (None, false)] {
        let db = TestDb::new().await;
        if let Some(first) = first {
            migrate_to(&settings(&db), &[Part::Tasks], first).await.unwrap();
        }
        let (log, _guard) = log();
        migrate_to(&settings(&db), &[Part::Tasks], *BREAKS).await.unwrap();
        let (name, below) = (last_of(*BREAKS), after(Part::Tasks, 1));
        let words = format!("{name} of the tasks applied, which breaks below {below}");
        let warned = log.text().lines().any(|line| line.contains("WARN") && line.contains(&words));
        assert_eq!(warned, warns, "{}", log.text());
    }
}

/// Found by a hostile reader: it was logged before the end of the transaction, which can fail.
#[tokio::test]
async fn a_migration_is_logged_as_applied_only_if_it_was() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    migrate(&settings(&db), &[Part::Tasks]).await.unwrap();
    let (log, _guard) = log();
    let error = migrate_to(&settings(&db), &[Part::Tasks], *FAILS).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("23503"), "{error:?}");
    assert!(!log.text().contains("applied"), "{}", log.text());
    assert_up_to(&witness, Part::Tasks, after(Part::Tasks, 0)).await;
}
