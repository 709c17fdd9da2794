//! C27: any schema name works, end to end, and none is executed as SQL.

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::{EventFilter, migrate};
use omniq_testkit::{TestDb, eventually};
use uuid::Uuid;

use crate::witness::{NEVER, PATIENCE, number};

const NAMES: &[&str] = &[
    "a\"b",
    "\"",
    "\"\"; drop table public.canary; --",
    "x'; drop table public.canary; --",
    "x; drop table public.canary",
    "$omniq0$; drop table public.canary; $omniq0$",
    "$omniq0$$omniq1$$omniq2$",
    "$$",
    "$1",
    "back\\slash\\",
    "E'\\''",
    "{schema}",
    "{body}{channel}",
    "{task_columns}",
    "%I %s %L %",
    "with space",
    "new\nline\r\ttab",
    "x\ndrop table public.canary; --",
    "-- comment",
    "/* comment",
    "UPPER lower",
    "schlange-队列-🐍",
    "dotted.name",
    "1",
    "select",
    "public",
    "information_schema2",
    "sixty-three-bytes-sixty-three-bytes-sixty-three-bytes-sixty-thre",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Enqueue (API and SQL function), wake by notification, run, result and events, all within a schema of this name.
#[tokio::test]
async fn c27_hostile_schema_names_work_end_to_end_and_harm_nothing() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    witness
        .batch_execute("create table public.canary (id int); insert into public.canary values (1)")
        .await
        .unwrap();
    for name in NAMES {
        let name = &name[..name.len().min(63)];
        let settings =
            Settings::builder().url(db.url()).schema(name).events("postgres").pool_max(3).build().unwrap();
        let backend = AsyncPostgresBackend::with_settings(&settings)
            .await
            .unwrap_or_else(|e| panic!("{name:?}: {e:?}"));
        let tasks = format!("{}.tasks", quoted(name));
        let worker = Worker::builder(&backend)
            .poll(NEVER)
            .register("echo", |value: i64, _: Context| async move { Ok::<_, Failure>(value) })
            .build()
            .unwrap();
        let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
        let listeners = format!("select count(*) from {}.listeners", quoted(name));
        let by_sql = format!("select {}.enqueue('echo', '2')", quoted(name));
        for value in [1, 2] {
            // A new task notifies the workers that are idle when it is added, not one that becomes idle before that is committed.
            eventually("it sleeps", PATIENCE, async || {
                (number(&witness, &listeners).await == 1).then_some(())
            })
            .await;
            let id = match value {
                1 => backend.enqueue(NewTask::new("echo", &1).unwrap()).await.unwrap(),
                _ => TaskId::from(witness.query_one(&by_sql, &[]).await.unwrap().get::<_, Uuid>(0)),
            };
            let result = backend.wait(id, PATIENCE).await.unwrap();
            assert_eq!(result.value.unwrap().decode::<i64>().unwrap(), value, "{name:?}");
            let filter = EventFilter { task_id: Some(id), ..EventFilter::default() };
            assert!(backend.events().unwrap().query(&filter).await.unwrap().len() >= 2, "{name:?}");
        }
        assert_eq!(number(&witness, &format!("select count(*) from {tasks}")).await, 0);
        stop.stop();
        running.await.unwrap().unwrap();
        backend.close().await.unwrap();
        assert_eq!(number(&witness, "select count(*) from public.canary").await, 1, "{name:?}");
    }
    let schemas = "select count(*) from pg_namespace where nspname !~ '^(pg_|information_schema$)'";
    assert_eq!(number(&witness, schemas).await as usize, NAMES.len(), "each its own, and no other");
}

/// The SQL that `omniq db sql` prints makes the same schema, and a backend without the right to migrate accepts it.
#[tokio::test]
async fn c27_the_printed_sql_works_for_hostile_names() {
    let db = TestDb::new().await;
    let witness = db.client().await;
    for name in NAMES.iter().map(|name| &name[..name.len().min(63)]).filter(|name| *name != "public") {
        let sql = migrate::sql(name, &migrate::Part::ALL).unwrap();
        witness.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{name:?}: {error:?}"));
        let settings =
            Settings::builder().url(db.url()).schema(name).events("postgres").migrate(false).build().unwrap();
        let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
        let id = backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
        assert!(backend.queue().get(id).await.unwrap().is_some());
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn c27_names_that_postgres_cannot_hold_are_refused() {
    let db = TestDb::new().await;
    for (name, words) in
        [("", "1 to 63 bytes"), (&*"x".repeat(64), "1 to 63 bytes"), ("a\0b", "NUL"), ("pg_mine", "pg_")]
    {
        let error = Settings::builder().url(db.url()).schema(name).build().unwrap_err();
        assert!(error.is_config() && error.to_string().contains("schema"), "{error:?}");
        assert!(error.to_string().contains(words), "{error:?}");
        // The struct's fields can be set without the builder.
        let mut settings = Settings::from_url(&db.url()).unwrap();
        settings.schema = name.to_owned();
        assert!(AsyncPostgresQueue::with_settings(&settings).await.unwrap_err().is_config());
    }
    let made = "select count(*) from pg_namespace where nspname !~ '^(pg_|information_schema$|public$)'";
    assert_eq!(number(&db.client().await, made).await, 0);
}
