//! What `status` says about older, equal and newer schemas, and about those that no program fits.

use omniq_testkit::TestDb;

use super::{ADDS, BREAKS, after, last_of, settings};
use crate::migrate::files::{KNOWN, Known, Part};
use crate::migrate::{Effect, PartStatus, migrate, migrate_to, status, status_of};
use crate::settings::Settings;

async fn of_tasks(settings: &Settings, program: Known) -> PartStatus {
    status_of(settings, &[Part::Tasks], program).await.unwrap().remove(0)
}

#[tokio::test]
async fn the_status_names_both_versions_the_range_and_what_each_migration_does() {
    let db = TestDb::new().await;
    let settings = settings(&db);
    let [ours, next, last] = [0, 1, 2].map(|later| after(Part::Tasks, later));
    let oldest = KNOWN.tasks.iter().map(|migration| migration.effect().usable_from()).max().unwrap();
    let empty = of_tasks(&settings, *ADDS).await;
    assert_eq!((empty.version, empty.program, &empty.usable_by), (0, next, &None));
    assert!(empty.check().unwrap_err().is_schema_missing());
    assert!(empty.migrations.iter().all(|one| one.known && one.applied_at.is_none()), "{empty:?}");

    migrate(&settings, &[Part::Tasks]).await.unwrap();
    let equal = of_tasks(&settings, KNOWN).await;
    assert_eq!((equal.version, equal.program, &equal.usable_by), (ours, ours, &Some(oldest..=ours)));
    equal.check().unwrap();
    let pending = of_tasks(&settings, *BREAKS).await;
    assert_eq!((pending.version, pending.program, &pending.usable_by), (ours, last, &Some(oldest..=ours)));
    assert!(pending.check().unwrap_err().to_string().contains(&format!("{next:04}_notes of the tasks")));
    let effects: Vec<_> = pending.migrations.iter().rev().map(|one| one.effect.to_string()).collect();
    assert!(effects[1].starts_with("adds: a column for notes"), "{effects:?}");
    assert!(effects[0].starts_with(&format!("breaks below {next}: the view task_list")), "{effects:?}");

    migrate_to(&settings, &[Part::Tasks], *ADDS).await.unwrap();
    let newer = of_tasks(&settings, KNOWN).await;
    assert_eq!((newer.version, newer.program, &newer.usable_by), (next, ours, &Some(oldest..=next)));
    newer.check().unwrap();
    let [.., old, new] = &newer.migrations[..] else { panic!("{newer:?}") };
    assert!(old.known && !new.known && new.applied_at.is_some(), "{newer:?}");
    assert_eq!((&*new.name, &new.effect), ("notes", &ADDS.tasks.last().unwrap().effect()));

    migrate_to(&settings, &[Part::Tasks], *BREAKS).await.unwrap();
    let closed = of_tasks(&settings, KNOWN).await;
    assert_eq!((closed.version, &closed.usable_by), (last, &Some(next..=last)));
    let error = closed.check().unwrap_err();
    assert!(error.is_schema_too_new() && error.to_string().contains(&last_of(*BREAKS)), "{error:?}");
    let effect = &closed.migrations.last().unwrap().effect;
    assert!(matches!(effect, Effect::Breaks { below, .. } if *below == next), "{closed:?}");
    of_tasks(&settings, *ADDS).await.check().unwrap();
}

#[tokio::test]
async fn a_schema_that_was_renamed_or_that_an_unreleased_version_made_is_refused() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    migrate(&settings(&db), &Part::ALL).await.unwrap();
    witness.batch_execute("alter schema omniq rename to other").await.unwrap();
    let other = Settings { schema: "other".to_owned(), ..settings(&db) };
    let error = of_tasks(&other, KNOWN).await.check().unwrap_err();
    assert!(error.is_config() && error.to_string().contains("was renamed"), "{error:?}");

    // The table as it was before it said which programs can use the schema.
    let before = "create schema omniq; create table omniq.migrations (part text not null, version integer not null, name text not null,
        checksum text not null, applied_at timestamptz not null default clock_timestamp(), home text not null default 'omniq')";
    witness.batch_execute(before).await.unwrap();
    for error in [
        status(&settings(&db), &Part::ALL).await.unwrap_err(),
        migrate(&settings(&db), &Part::ALL).await.unwrap_err(),
    ] {
        assert!(error.is_config() && error.to_string().contains("unreleased version"), "{error:?}");
    }
}
