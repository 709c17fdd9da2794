//! Beside a migration that only adds, programs of this version go on, restart, and are put back after a later one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use omniq_core::TaskQueue;
use omniq_testkit::TestDb;
use tokio::sync::Notify;

use super::{ADDS, PATIENCE, after, assert_up_to, connect, number, results, settings, task, worker};
use crate::db::Db;
use crate::migrate::files::Part;
use crate::migrate::{connect_as, migrate, migrate_to};
use crate::settings::Settings;
use crate::{AsyncPostgresBackend, AsyncPostgresQueue};

/// Uses what a program of this version has, alone and many at a time, with a worker that runs already.
async fn use_all(backend: &AsyncPostgresBackend) {
    let mut ids = vec![backend.enqueue(task(7)).await.unwrap()];
    ids.extend(backend.enqueue_many((1..=20).map(task).collect()).await.unwrap());
    // It is retried: a settlement that keeps the row.
    ids.push(backend.enqueue(task(-3)).await.unwrap());
    results(backend, &ids, [7].into_iter().chain(1..=20).chain([-3])).await;
    let unwanted = backend.enqueue(task(1).queue("unwanted")).await.unwrap();
    backend.cancel(unwanted).await.unwrap();
    assert!(backend.queue().get(unwanted).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_programs_go_on_restart_and_roll_back_beside_a_migration_that_adds() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    let backend = connect(&db).await;
    let running = worker(&backend, &["default"]);
    let (stop, running) = (running.handle(), tokio::spawn(running.run()));
    use_all(&backend).await;
    let before = backend.enqueue_many((1..=9).map(|n| task(n).queue("before")).collect()).await.unwrap();

    let (begun, migrated) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let load = tokio::spawn({
        let (backend, begun, migrated) = (backend.clone(), Arc::clone(&begun), Arc::clone(&migrated));
        async move {
            let (mut ids, mut after) = (Vec::new(), 0);
            while after < 20 {
                after += usize::from(migrated.load(Ordering::SeqCst));
                ids.push(backend.enqueue(task(ids.len() as i64)).await.unwrap());
                if ids.len() == 20 {
                    begun.notify_one();
                }
            }
            ids
        }
    });
    begun.notified().await;
    let done = migrate_to(&settings(&db), &Part::ALL, *ADDS).await.unwrap();
    migrated.store(true, Ordering::SeqCst);
    assert!(done.len() == 3 && done.iter().all(|one| one.version == after(one.part, 1)), "{done:?}");
    // What is written from now on has another value than what was there.
    for table in ["events", "result_segments", "tasks"] {
        let default = format!("alter table omniq.{table} alter column note set default 'afterwards'");
        witness.batch_execute(&default).await.unwrap();
    }
    let ids = load.await.unwrap();
    let beside = ids.len() as i64;
    assert!(beside > 20 + 20, "tasks were also added while it migrated");
    results(&backend, &ids, 0..beside).await;
    // The same sessions, with the statements that they had prepared.
    use_all(&backend).await;
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();

    for migrates in [true, false] {
        // The later program runs, and this one after it.
        let later = Db::open(&settings(&db)).await.unwrap();
        connect_as(&[(&later, &Part::ALL)], *ADDS).await.unwrap();
        later.close().await;
        let again = Settings { migrate: migrates, ..settings(&db) };
        let backend = AsyncPostgresBackend::with_settings(&again).await.unwrap();
        let running = worker(&backend, &["default", "before"]);
        let (stop, running) = (running.handle(), tokio::spawn(running.run()));
        results(&backend, &before, 1..=9).await;
        use_all(&backend).await;
        stop.stop();
        running.await.unwrap().unwrap();
        backend.close().await.unwrap();
    }

    // 22 tasks in each of four uses, those beside the migration, and 9 from before it.
    let completed = "select count(*) from omniq.events where kind = 'completed'";
    assert_eq!(number(&witness, completed).await, 4 * 22 + beside + 9);
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0, "no task is left");
    for table in ["events", "result_segments"] {
        for note in ["none", "afterwards"] {
            let noted = format!("select count(*) from omniq.{table} where note = '{note}'");
            assert!(
                number(&witness, &noted).await > 0,
                "{table} {note}: what this program writes has the default"
            );
        }
    }
    for part in Part::ALL {
        assert_up_to(&witness, part, after(part, 1)).await;
    }
}

#[tokio::test]
async fn an_older_program_that_migrates_leaves_a_newer_schema_as_it_is() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    migrate_to(&settings(&db), &[Part::Tasks, Part::Events], *ADDS).await.unwrap();
    let columns = "select count(*) from information_schema.columns where table_schema = 'omniq'";
    let before = number(&witness, columns).await;
    assert_eq!(migrate(&settings(&db), &[Part::Tasks, Part::Events]).await.unwrap(), []);
    assert_eq!(number(&witness, columns).await, before);
    assert_up_to(&witness, Part::Tasks, after(Part::Tasks, 1)).await;

    // A part that is not there yet is left to the newer one: functions of the parts that are there may use what only that makes.
    let refused = [
        migrate(&settings(&db), &Part::ALL).await.map(drop).unwrap_err(),
        AsyncPostgresBackend::with_settings(&settings(&db)).await.map(drop).unwrap_err(),
    ];
    for error in refused {
        assert!(error.is_schema_too_new() && error.to_string().contains("no results yet"), "{error:?}");
    }
    assert_up_to(&witness, Part::Results, 0).await;
    migrate_to(&settings(&db), &Part::ALL, *ADDS).await.unwrap();
    assert_up_to(&witness, Part::Results, after(Part::Results, 1)).await;
    connect(&db).await.close().await.unwrap();
}

/// The version is all that a program reads to decide, so a role needs no other right for it.
#[tokio::test]
async fn a_role_needs_the_right_to_read_the_versions_and_none_on_what_a_newer_migration_adds() {
    let db = TestDb::new().await;
    let (admin, role) = (db.client().await, format!("versions_{}", db.name()));
    migrate_to(&settings(&db), &Part::ALL, *ADDS).await.unwrap();
    let grants = format!(
        "create role {role} login password 'secret'; grant usage on schema omniq to {role};
         grant insert on omniq.tasks, omniq.count_deltas to {role};
         grant execute on function omniq.id_in_use, omniq.id_with_result, omniq.hand_off, omniq.roll_up_counts to {role}"
    );
    admin.batch_execute(&grants).await.unwrap();
    let url = db.url();
    let (_, address) = url.rsplit_once('@').unwrap();
    let url = format!("postgresql://{role}:secret@{address}");
    let error = AsyncPostgresQueue::connect(&url).await.unwrap_err();
    assert!(error.is_permission_denied() && error.to_string().contains("migrations"), "{error:?}");

    admin.batch_execute(&format!("grant select on omniq.migrations to {role}")).await.unwrap();
    let queue = AsyncPostgresQueue::connect(&url).await.unwrap();
    let id = queue.enqueue(task(1)).await.unwrap();
    queue.close().await.unwrap();
    let backend = connect(&db).await;
    worker(&backend, &["default"]).run_until_idle().await.unwrap();
    assert_eq!(backend.wait(id, PATIENCE).await.unwrap().decode::<i64>().unwrap(), 2);
    backend.close().await.unwrap();
    admin.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
}
