//! Who may not migrate, and in which order several databases are.

use std::error::Error as _;

use omniq_core::Error;
use omniq_embedded::StopMode;
use omniq_testkit::{TestDb, fault_server, heavy};

use super::{ADDS, PATIENCE, connect, last_of, program, settings};
use crate::AsyncPostgresBackend;
use crate::migrate::files::Part;
use crate::migrate::{migrate, status};
use crate::settings::Settings;

fn cause(error: &Error) -> &Error {
    error.source().unwrap().downcast_ref().unwrap()
}

/// Found by a hostile reader: the error was the refusal of a right that such a role is not meant to have.
#[tokio::test]
async fn a_role_that_may_not_migrate_is_told_what_is_missing_and_who_may() {
    let db = TestDb::new().await;
    let (admin, role) = (db.client().await, format!("refused_{}", db.name()));
    connect(&db).await.close().await.unwrap();
    let grants = format!(
        "create role {role} login password 'secret'; grant usage on schema omniq to {role};
         grant select on omniq.migrations to {role}"
    );
    admin.batch_execute(&grants).await.unwrap();
    let url = db.url();
    let (_, address) = url.rsplit_once('@').unwrap();
    let url = format!("postgresql://{role}:secret@{address}");
    let as_role = Settings::builder().url(url).events("postgres").build().unwrap();
    // In a schema where the role may make tables, it fails on a table that is another's.
    for more in [String::new(), format!("grant create on schema omniq to {role}")] {
        admin.batch_execute(&more).await.unwrap();
        let error = program(&as_role, *ADDS).await.unwrap_err();
        assert!(error.is_schema_missing(), "{error:?}");
        let lacks = format!("lacks migration {} of the tasks", last_of(*ADDS));
        for words in
            [&*lacks, "run `omniq db migrate --part tasks", "as the schema's owner", "not applied here"]
        {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
        assert!(cause(&error).is_permission_denied(), "{error:?}");
    }
    admin.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
}

/// Found by a hostile reader: on a standby that lacks a migration, a worker waited for ever.
#[tokio::test]
async fn a_patient_program_does_not_wait_for_a_standby_to_be_migrated() {
    let _turn = heavy();
    let mut server = fault_server("unmigrated");
    let db = TestDb::on(&server.url()).await;
    server.demote();
    server.restart(StopMode::Fast).unwrap();
    let settings = settings(&db);
    let patient = AsyncPostgresBackend::with_settings_patiently(&settings);
    let error = tokio::time::timeout(PATIENCE, Box::pin(patient)).await.expect("it ends").unwrap_err();
    assert!(error.is_schema_missing() && error.to_string().contains("omniq db migrate"), "{error:?}");
    assert!(cause(&error).is_unavailable() && error.to_string().contains("standby"), "{error:?}");
}

/// Found by a hostile reader: the first was migrated before the second was looked at.
#[tokio::test]
async fn no_database_is_changed_before_all_have_been_looked_at() {
    let (first, second) = (TestDb::new().await, TestDb::new().await);
    let apart = Settings::builder().url(first.url()).results(second.url()).build().unwrap();
    migrate(&settings(&second), &[Part::Results]).await.unwrap();
    let newer = "insert into omniq.migrations (part, version, name, checksum, usable_from, effect, release)
        values ('results', 999, 'future', 'x', 999, 'all values are gone', '9.8.7')";
    second.client().await.batch_execute(newer).await.unwrap();
    let error = Box::pin(AsyncPostgresBackend::with_settings(&apart)).await.unwrap_err();
    assert!(error.is_schema_too_new(), "{error:?}");
    let tasks = status(&settings(&first), &[Part::Tasks]).await.unwrap().remove(0);
    assert_eq!(tasks.version, 0);
    for db in [first, second] {
        assert_eq!(db.sessions().await, 0, "a refused connect leaves no session");
    }
}
