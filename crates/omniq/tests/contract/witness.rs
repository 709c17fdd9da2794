//! Checks through a connection that OmniQ does not know.

use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq_testkit::TestDb;
use tokio_postgres::Client;

/// For steps that take moments: only a hang takes longer.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// So rare that polling cannot explain a wake-up.
pub const NEVER: Duration = Duration::from_secs(3600);

/// One number.
pub async fn number(witness: &Client, sql: &str) -> i64 {
    witness.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

/// Whether there is such a table (or view).
pub async fn exists(witness: &Client, table: &str) -> bool {
    let sql = "select to_regclass($1) is not null";
    witness.query_one(sql, &[&table]).await.unwrap().get(0)
}

/// The number of rows of each table of the schema `omniq`.
pub async fn rows(witness: &Client) -> Vec<(String, i64)> {
    let sql = "select relname::text from pg_class where relnamespace = 'omniq'::regnamespace and relkind = 'r' order by 1";
    let mut counts = Vec::new();
    for row in witness.query(sql, &[]).await.unwrap() {
        let table: String = row.get(0);
        let count = number(witness, &format!("select count(*) from omniq.{table}")).await;
        counts.push((table, count));
    }
    counts
}

/// The sessions of OmniQ in this database.
pub const SESSIONS: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'omniq'";

/// A backend with all parts in the test's database.
pub async fn full(db: &TestDb) -> AsyncPostgresBackend {
    let settings = Settings::builder().url(db.url()).events("postgres").build().unwrap();
    AsyncPostgresBackend::with_settings(&settings).await.unwrap()
}

/// A worker that never polls, with the function `echo`, which returns its argument.
pub fn echo_worker(backend: &AsyncPostgresBackend) -> Worker {
    Worker::builder(backend)
        .poll(NEVER)
        .register("echo", |value: serde_json::Value, _: Context| async move { Ok::<_, Failure>(value) })
        .build()
        .unwrap()
}
