//! Every column of `tasks` goes along where a task moves to another row.

use std::collections::BTreeSet;

use omniq_core::TaskQueue;
use omniq_postgres::AsyncPostgresQueue;
use omniq_testkit::TestDb;

/// The columns that all tasks of a row share, and no statement changes as it moves a task.
const SHARED: &str = include_str!("../../sql/fragments/shared_columns.sql");

/// The others: what a task is in its row, and how it was run. The statements that move tasks name each of them.
const OWN: [&str; 14] = [
    "id",
    "seq",
    "count",
    "removed",
    "payloads",
    "state",
    "run_at",
    "expires_at",
    "attempt",
    "claims",
    "error",
    "worker",
    "claimed_at",
    "ended_at",
];

#[tokio::test]
async fn every_column_of_tasks_is_shared_by_the_tasks_of_a_row_or_named_where_they_move() {
    let db = TestDb::new().await;
    AsyncPostgresQueue::connect(&db.url()).await.unwrap().close().await.unwrap();
    let columns = "select attname::text from pg_attribute where attrelid = 'omniq.tasks'::regclass and attnum > 0 and not attisdropped";
    let rows = db.client().await.query(columns, &[]).await.unwrap();
    let columns: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let named: BTreeSet<String> = SHARED.trim().split(", ").chain(OWN).map(ToOwned::to_owned).collect();
    assert_eq!(columns, named, "a new column belongs into sql/fragments/shared_columns.sql");
}
