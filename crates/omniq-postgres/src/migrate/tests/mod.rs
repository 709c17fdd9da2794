//! Tests: programs of this version beside later ones. A later program is this one with more migrations, whose files are in `tests/future`.

mod adding;
mod at_once;
mod blocked;
mod breaking;
mod refused;
mod statuses;

use std::sync::{Arc, LazyLock};

use omniq_core::{Backend, Context, Failure, NewTask, Result, TaskId, Worker};
use omniq_testkit::{Log, TestDb};
use tokio_postgres::Client;

use super::connect_as;
use super::files::{KNOWN, Known, Migration, Part};
use crate::db::Db;
use crate::settings::Settings;
use crate::wake::Wake;
use crate::{
    AsyncPostgresBackend, AsyncPostgresEventStorage, AsyncPostgresQueue, AsyncPostgresResultStorage,
};

macro_rules! future {
    ($file:literal) => {
        include_str!(concat!("../../../tests/future/", $file, ".sql"))
    };
}

/// A program with one more migration of each part, which only adds.
static ADDS: LazyLock<Known> = LazyLock::new(|| Known {
    tasks: later(Part::Tasks, &[("notes", future!("tasks_notes"))]),
    results: later(Part::Results, &[("notes", future!("results_notes"))]),
    events: later(Part::Events, &[("notes", future!("events_notes"))]),
});
/// A program that has one beyond [`ADDS`], which breaks programs of this version: by what [`ADDS`] does not use, and neither does any
/// statement.
static BREAKS: LazyLock<Known> = LazyLock::new(|| Known {
    tasks: later(Part::Tasks, &[("notes", future!("tasks_notes")), ("view", future!("tasks_view"))]),
    ..*ADDS
});
/// As [`BREAKS`], by a column that the statements use.
static RENAMES: LazyLock<Known> = LazyLock::new(|| Known {
    tasks: later(Part::Tasks, &[("notes", future!("tasks_notes")), ("renames", future!("tasks_renames"))]),
    ..*ADDS
});

/// A program whose last migration fails as its transaction ends.
static FAILS: LazyLock<Known> = LazyLock::new(|| Known {
    tasks: later(Part::Tasks, &[("notes", future!("tasks_notes")), ("fails", future!("tasks_fails"))]),
    ..*ADDS
});

/// The version of a part after so many migrations that this program does not know. What is really next has the first of these numbers, too.
fn after(part: Part, later: i32) -> i32 {
    KNOWN.version(part) + later
}

/// The migrations of this program and these. `{notes}` in a text is the version of a program that knows the first of these.
fn later(part: Part, more: &[(&'static str, &str)]) -> &'static [Migration] {
    let notes = after(part, 1).to_string();
    let more = (1..).zip(more).map(|(number, (name, text))| Migration {
        version: after(part, number),
        name,
        part: part.name(),
        files: vec![&*text.replace("{notes}", &notes).leak()].leak(),
    });
    KNOWN.of(part).iter().copied().chain(more).collect::<Vec<_>>().leak()
}

/// What the last migration of the tasks of this program is called in messages.
fn last_of(program: Known) -> String {
    let last = program.tasks.last().unwrap();
    format!("{:04}_{}", last.version, last.name)
}

fn settings(db: &TestDb) -> Settings {
    Settings::builder().url(db.url()).events("postgres").build().unwrap()
}

/// A program of this version with all parts.
async fn connect(db: &TestDb) -> AsyncPostgresBackend {
    Box::pin(AsyncPostgresBackend::with_settings(&settings(db))).await.unwrap()
}

/// The program that knows these migrations, with all parts.
async fn program(settings: &Settings, known: Known) -> Result<Backend> {
    // Boxed, because opening a database takes 46 KB on the stack, several times that without optimization.
    let db = Box::pin(Db::open(settings)).await?;
    if let Err(error) = connect_as(&[(&db, &Part::ALL)], known).await {
        db.close().await;
        return Err(error);
    }
    let queue = Arc::new(AsyncPostgresQueue::on(Arc::clone(&db)));
    let wake = Arc::new(Wake::new(&db));
    let results = Arc::new(AsyncPostgresResultStorage::on(Arc::clone(&db), wake));
    Ok(Backend::new(queue).with_results(results).with_events(Arc::new(AsyncPostgresEventStorage::on(db))))
}

/// A worker that doubles, and repeats once what it is given as a negative number.
fn worker(backend: impl Into<Backend>, queues: &[&str]) -> Worker {
    let double = |number: i64, task: Context| async move {
        match (number, task.attempt()) {
            (..0, 1) => Err(Failure::retry_in(std::time::Duration::ZERO)),
            _ => Ok(2 * number),
        }
    };
    Worker::builder(backend).queues(queues.to_vec()).register("double", double).build().unwrap()
}

/// The log of this thread from now on.
fn log() -> (Log, impl Drop) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

fn task(number: i64) -> NewTask {
    NewTask::new("double", &number).unwrap()
}

/// Waits for the results of tasks with these numbers.
async fn results(backend: &Backend, ids: &[TaskId], numbers: impl IntoIterator<Item = i64>) {
    for (id, number) in ids.iter().zip(numbers) {
        let result = backend.wait(*id, PATIENCE).await.unwrap();
        assert_eq!(result.decode::<i64>().unwrap(), 2 * number);
    }
}

/// For steps that take moments: only a hang takes longer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// That of a part exactly the migrations up to this version were applied.
async fn assert_up_to(client: &Client, part: Part, version: i32) {
    assert_eq!(versions(client, part).await, (1..=version).collect::<Vec<_>>(), "{part}");
}

/// Which migrations of a part were applied.
async fn versions(client: &Client, part: Part) -> Vec<i32> {
    let sql = "select version from omniq.migrations where part = $1 order by applied_at, version";
    client.query(sql, &[&part.name()]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}
