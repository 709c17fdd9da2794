//! Beside a migration that only adds, programs of this version go on, restart, and are put back after a later one.

use omniq_core::TaskQueue;
use omniq_testkit::TestDb;

use super::{ADDS, PATIENCE, connect, number, results, settings, task, versions, worker};
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

    let load = tokio::spawn({
        let backend = backend.clone();
        async move {
            let mut ids = Vec::new();
            for number in 0..300 {
                ids.push(backend.enqueue(task(number)).await.unwrap());
            }
            ids
        }
    });
    let done = migrate_to(&settings(&db), &Part::ALL, ADDS).await.unwrap();
    assert!(done.len() == 3 && done.iter().all(|one| one.version == 2), "{done:?}");
    let ids = load.await.unwrap();
    results(&backend, &ids, 0..300).await;
    // The same sessions, with the statements that they had prepared.
    use_all(&backend).await;
    stop.stop();
    running.await.unwrap().unwrap();
    backend.close().await.unwrap();

    for migrates in [true, false] {
        // The later program runs, and this one after it.
        let later = Db::open(&settings(&db)).await.unwrap();
        connect_as(&later, &Part::ALL, ADDS).await.unwrap();
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

    // 22 tasks in each of four uses, 300 beside the migration, and 9 from before it.
    let completed = "select count(*) from omniq.events where kind = 'completed'";
    assert_eq!(number(&witness, completed).await, 4 * 22 + 300 + 9);
    assert_eq!(number(&witness, "select count(*) from omniq.tasks").await, 0, "no task is left");
    let noted = "select count(*) from omniq.result_segments where note = 'none'";
    assert!(number(&witness, noted).await > 0, "what is written by this program has the default");
    for part in Part::ALL {
        assert_eq!(versions(&witness, part).await, [1, 2], "{part}");
    }
}

#[tokio::test]
async fn an_older_program_that_migrates_leaves_a_newer_schema_as_it_is() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    migrate_to(&settings(&db), &[Part::Tasks, Part::Events], ADDS).await.unwrap();
    let columns = "select count(*) from information_schema.columns where table_schema = 'omniq'";
    let before = number(&witness, columns).await;
    assert_eq!(migrate(&settings(&db), &[Part::Tasks, Part::Events]).await.unwrap(), []);
    assert_eq!(number(&witness, columns).await, before);
    assert_eq!(versions(&witness, Part::Tasks).await, [1, 2]);

    // A part that is not there yet is made as the older program knows it, and the newer one brings it up to date.
    connect(&db).await.close().await.unwrap();
    assert_eq!(versions(&witness, Part::Results).await, [1]);
    let done = migrate_to(&settings(&db), &Part::ALL, ADDS).await.unwrap();
    assert!(done.len() == 1 && done[0].part == Part::Results && done[0].version == 2, "{done:?}");
}

/// The version is all that a program reads to decide, so a role needs no other right for it.
#[tokio::test]
async fn a_role_needs_the_right_to_read_the_versions_and_none_on_what_a_newer_migration_adds() {
    let db = TestDb::new().await;
    let (admin, role) = (db.client().await, format!("versions_{}", db.name()));
    migrate_to(&settings(&db), &[Part::Tasks], ADDS).await.unwrap();
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
