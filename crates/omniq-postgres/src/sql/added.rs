//! Test: a later migration can add a column under any name but those that decision 0037 lists. Under these a statement would find two columns.

use std::collections::{BTreeMap, BTreeSet};

use omniq_testkit::TestDb;
use tokio_postgres::Client;

use super::schema::Schema;
use super::{Statement, Statements};
use crate::AsyncPostgresBackend;
use crate::settings::{Placement, Settings};

const DOC: &str = include_str!("../../../../docs/decisions/0037-schema-versions.md");

/// The line of the decision that lists them begins so.
const LIST: &str = "- a column of `";

/// How many columns the statement answers with, or why it fails.
async fn width(client: &Client, statement: &Statement) -> Result<usize, String> {
    let prepared = client.prepare_typed(&statement.text, &statement.types).await;
    prepared.map(|prepared| prepared.columns().len()).map_err(|error| format!("{error:?}"))
}

/// The same with columns of these names in the table.
async fn width_with(
    client: &Client,
    table: &str,
    names: &[&str],
    statement: &Statement,
) -> Result<usize, String> {
    let columns: Vec<_> = names.iter().map(|name| format!("add column \"{name}\" text")).collect();
    let add = format!("begin; alter table omniq.{table} {}", columns.join(", "));
    client.batch_execute(&add).await.unwrap();
    let width = width(client, statement).await;
    client.batch_execute("rollback").await.unwrap();
    width
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_')
        .filter(|word| word.starts_with(|sign: char| sign.is_ascii_lowercase()))
        .collect()
}

/// By table, what the decision lists.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let lines = DOC.lines().filter_map(|line| line.strip_prefix(LIST));
    lines
        .map(|line| {
            let (table, names) = line.split_once('`').unwrap();
            (table.to_owned(), names.split('`').skip(1).step_by(2).map(str::to_owned).collect())
        })
        .collect()
}

#[tokio::test]
async fn a_column_can_be_added_under_any_name_that_is_not_listed() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).events(Placement::Postgres).build().unwrap();
    AsyncPostgresBackend::with_settings(&settings).await.unwrap().close().await.unwrap();
    let (client, sql) = (db.client().await, Statements::new(&Schema::new("omniq").unwrap()));
    let tables = "select c.relname::text, array_agg(a.attname::text) from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum <> 0
        where c.relnamespace = 'omniq'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition group by 1";
    let tables: Vec<(String, Vec<String>)> =
        client.query(tables, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    let reserved: BTreeSet<String> = client
        .query("select word from pg_get_keywords() where catcode = 'R'", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let mut all = Vec::new();
    for (_, statement) in sql.all() {
        let words = words(&statement.text).into_iter().filter(|word| !reserved.contains(*word));
        all.push((statement, words.collect::<BTreeSet<_>>(), width(&client, statement).await.unwrap()));
    }

    let mut breaking = BTreeMap::<String, BTreeSet<String>>::new();
    let mut tried = 0;
    for (table, columns) in &tables {
        for (statement, words, before) in all.iter().filter(|(_, words, _)| words.contains(&**table)) {
            // No other name can be taken for something of the statement.
            let own = words.iter().copied().chain(["unrelated"]);
            let names: Vec<_> = own.filter(|word| !columns.iter().any(|column| column == word)).collect();
            tried += names.len();
            // All at once first, because most statements take any.
            if width_with(&client, table, &names, statement).await == Ok(*before) {
                continue;
            }
            for name in names {
                if width_with(&client, table, &[name], statement).await != Ok(*before) {
                    breaking.entry(table.clone()).or_default().insert(name.to_owned());
                }
            }
        }
    }
    assert!(tried > 1_000, "only {tried}");
    assert_eq!(
        breaking,
        listed(),
        "the names under which a column breaks a statement, and those that decision 0037 lists"
    );
}
