//! Tests: programs of this version beside later ones. A later program is this one with more migrations, whose files are in `tests/future`.

mod adding;
mod at_once;
mod breaking;
mod statuses;

use omniq_core::{Context, Failure, NewTask, TaskId, Worker};
use omniq_testkit::TestDb;
use tokio_postgres::Client;

use super::files::{KNOWN, Known, Migration, Part};
use crate::AsyncPostgresBackend;
use crate::settings::Settings;

const TASKS: [Migration; 3] = [
    KNOWN.tasks[0],
    later("tasks", 2, "notes", &[include_str!("../../../tests/future/tasks_0002.sql")]),
    later("tasks", 3, "settings", &[include_str!("../../../tests/future/tasks_0003.sql")]),
];
const RESULTS: [Migration; 2] = [
    KNOWN.results[0],
    later("results", 2, "notes", &[include_str!("../../../tests/future/results_0002.sql")]),
];
const EVENTS: [Migration; 2] =
    [KNOWN.events[0], later("events", 2, "notes", &[include_str!("../../../tests/future/events_0002.sql")])];

/// A program at version 2 of each part, by migrations that only add.
const ADDS: Known = Known { tasks: TASKS.split_at(2).0, results: &RESULTS, events: &EVENTS };
/// A program at version 3 of the tasks, by a migration that breaks programs at version 1.
const BREAKS: Known = Known { tasks: &TASKS, ..ADDS };

const fn later(
    part: &'static str,
    version: i32,
    name: &'static str,
    files: &'static [&'static str],
) -> Migration {
    Migration { version, name, part, files }
}

fn settings(db: &TestDb) -> Settings {
    Settings::builder().url(db.url()).events("postgres").build().unwrap()
}

/// A program of this version with all parts.
async fn connect(db: &TestDb) -> AsyncPostgresBackend {
    Box::pin(AsyncPostgresBackend::with_settings(&settings(db))).await.unwrap()
}

/// A worker that doubles, and repeats once what it is given as a negative number.
fn worker(backend: &AsyncPostgresBackend, queues: &[&str]) -> Worker {
    let double = |number: i64, task: Context| async move {
        match (number, task.attempt()) {
            (..0, 1) => Err(Failure::retry_in(std::time::Duration::ZERO)),
            _ => Ok(2 * number),
        }
    };
    Worker::builder(backend).queues(queues.to_vec()).register("double", double).build().unwrap()
}

fn task(number: i64) -> NewTask {
    NewTask::new("double", &number).unwrap()
}

/// Waits for the results of tasks with these numbers.
async fn results(backend: &AsyncPostgresBackend, ids: &[TaskId], numbers: impl IntoIterator<Item = i64>) {
    for (id, number) in ids.iter().zip(numbers) {
        let result = backend.wait(*id, PATIENCE).await.unwrap();
        assert_eq!(result.decode::<i64>().unwrap(), 2 * number);
    }
}

/// For steps that take moments: only a hang takes longer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Which migrations of a part were applied.
async fn versions(client: &Client, part: Part) -> Vec<i32> {
    let sql = "select version from omniq.migrations where part = $1 order by applied_at, version";
    client.query(sql, &[&part.name()]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}
