//! Test: every statement finds its rows by the indexes that its head names, also in a table of 100,000 rows. So a condition that does not
//! match its partial index is noticed here.

use std::collections::BTreeSet;
use std::fmt::Write;

use omniq_testkit::TestDb;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::AsyncPostgresBackend;
use crate::db::pins::PLANNING;
use crate::db::sending::SEARCHING;
use crate::settings::{Placement, Settings};
use crate::sql::heads::Head;
use crate::sql::schema::Schema;
use crate::sql::{Statement, Statements};

/// The plan of a statement with these arguments.
pub(super) async fn explained(
    client: &Client,
    statement: &Statement,
    arguments: &[&str],
) -> Result<String, tokio_postgres::Error> {
    let types: Vec<_> = statement.types.iter().map(|ty| ty.name().to_owned()).collect();
    let in_brackets = |list: String| if list.is_empty() { list } else { format!("({list})") };
    let prepare = format!("prepare probe{} as {}", in_brackets(types.join(", ")), statement.text);
    client.batch_execute(&prepare).await?;
    let sql = format!("explain execute probe{}", in_brackets(arguments.join(", ")));
    let answer = client.simple_query(&sql).await;
    client.batch_execute("deallocate probe").await?;
    let mut plan = String::new();
    for message in answer? {
        if let SimpleQueryMessage::Row(row) = message {
            writeln!(plan, "{}", row.get(0).unwrap()).unwrap();
        }
    }
    Ok(plan)
}

async fn explain(client: &Client, statement: &Statement, arguments: &[&str]) -> String {
    explained(client, statement, arguments).await.unwrap()
}

/// The plan that is kept: for any arguments.
async fn kept_plan(client: &Client, statement: &Statement) -> String {
    explain(client, statement, &vec!["null"; statement.types.len()]).await
}

/// The searches that a head names: the index, and the arguments with which it must be used.
fn searches(head: &Head) -> Vec<(&str, &str)> {
    head.lines("index").filter_map(|line| line.split_once(" for ")).collect()
}

/// The indexes of `tasks` in a plan or in a line.
fn indexes(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tasks_")).collect()
}

fn scans_a_table(plan: &str) -> bool {
    ["tasks", "result", "events", "schedule", "keys", "count_deltas", "count_totals", "count_rollups"]
        .iter()
        .any(|table| plan.contains(&format!("Seq Scan on {table}")))
}

/// A database with 100,000 rows in each table. It is filled once for all tests.
async fn filled_db() -> TestDb {
    TestDb::copy_of("filled", async |url| {
        let settings = Settings::builder().url(&url).events(Placement::Postgres).build().unwrap();
        AsyncPostgresBackend::with_settings(&settings).await.unwrap().close().await.unwrap();
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(include_str!("../../tests/fill_100000.sql")).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    })
    .await
}

/// A client that plans as the pool's sessions do.
async fn planning(db: &TestDb) -> Client {
    let client = db.client().await;
    for (name, value) in PLANNING {
        client.batch_execute(&format!("set {name} = {value}")).await.unwrap();
    }
    client
}

#[tokio::test]
async fn c19_every_statement_uses_the_indexes_that_its_head_names_at_100_000_rows() {
    let db = filled_db().await;
    let client = planning(&db).await;
    let (sql, heads) = (Statements::new(&Schema::new("omniq").unwrap()), Head::all());
    let head_of = |name: &str| &heads[Head::of(&heads, name)];
    let mut bad = String::new();
    for (name, statement) in sql.all().into_iter().filter(|(name, _)| searches(head_of(name)).is_empty()) {
        let plan = kept_plan(&client, statement).await;
        let named: BTreeSet<&str> = head_of(&name).lines("index").flat_map(indexes).collect();
        let used = indexes(&plan);
        if scans_a_table(&plan) || named != used {
            writeln!(bad, "{name}: its head says `-- index: {named:?}`, its plan uses {used:?}:\n{plan}")
                .unwrap();
        }
    }
    client.batch_execute(&format!("begin; {SEARCHING}")).await.unwrap();
    for (name, statement) in sql.all() {
        for (index, arguments) in searches(head_of(&name)) {
            let plan = explain(&client, statement, &[arguments]).await;
            if scans_a_table(&plan) || !plan.contains(index) {
                writeln!(bad, "{name} for {arguments}, not by {index}:\n{plan}").unwrap();
            }
        }
    }
    assert!(bad.is_empty(), "{bad}");
}

#[tokio::test]
async fn c19_a_claim_goes_by_the_order_of_its_index_also_with_statistics_of_an_empty_queue() {
    let db = filled_db().await;
    let client = planning(&db).await;
    // The statistics that a vacuum leaves when the queue is almost empty.
    client
        .batch_execute(
            "create table aside as select * from omniq.tasks; truncate omniq.tasks;
             insert into omniq.tasks select * from aside limit 5; analyze omniq.tasks;
             insert into omniq.tasks select * from aside on conflict do nothing",
        )
        .await
        .unwrap();
    let sql = Statements::new(&Schema::new("omniq").unwrap());
    let (_, claim) = sql.all().into_iter().find(|(name, _)| name == "dequeue").unwrap();
    let plan =
        explain(&client, claim, &["'{usual}'", "1", "1", "null", "0", "0", "'{null}'", "'{null}'"]).await;
    assert!(
        plan.contains("Index Scan using tasks_ready") && !plan.contains("Sort Key: t_1.priority"),
        "{plan}"
    );
}

/// Whether an index of the tasks is read from end to end, as it is by a condition on its second column alone.
fn scans_an_index(plan: &str) -> bool {
    let lines: Vec<_> = plan.lines().collect();
    let scans = lines.windows(2).filter(|pair| {
        ["tasks_", "results_", "count_deltas_", "count_totals_"]
            .iter()
            .any(|index| pair[0].contains(&format!("Scan using {index}")))
    });
    scans.into_iter().any(|pair| !pair[1].contains("Index Cond") || pair[1].contains("Index Cond: (count = "))
}

#[tokio::test]
async fn c19_no_plan_that_was_made_for_an_empty_queue_scans_a_full_one() {
    let db = filled_db().await;
    let client = planning(&db).await;
    let emptied = "truncate omniq.tasks, omniq.result_segments; analyze omniq.tasks, omniq.result_segments";
    client.batch_execute(emptied).await.unwrap();
    let (sql, heads) = (Statements::new(&Schema::new("omniq").unwrap()), Head::all());
    let mut bad = String::new();
    for (name, statement) in sql.all() {
        // The search for orphaned claims scans everything that is claimable, whatever the plan.
        if !searches(&heads[Head::of(&heads, &name)]).is_empty() || name == "orphaned_claims" {
            continue;
        }
        let plan = kept_plan(&client, statement).await;
        if scans_a_table(&plan) || scans_an_index(&plan) {
            writeln!(bad, "{name}:\n{plan}").unwrap();
        }
    }
    assert!(bad.is_empty(), "{bad}");
}

/// The number of pages that a statement reads, from its plan.
async fn pages(client: &Client, sql: &str) -> u64 {
    let plan = client.query(&format!("explain (analyze, buffers, timing off) {sql}"), &[]).await.unwrap();
    let lines: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let buffers = lines.iter().find(|line| line.contains("Buffers:")).unwrap();
    let numbers = buffers.split(['=', ' ']).filter_map(|word| word.parse::<u64>().ok());
    numbers.sum()
}

/// Also inside the schema's functions, and from the middle of segments; planned as in a session of the user.
#[tokio::test]
async fn c19_looks_at_one_result_and_its_removal_read_a_few_pages_of_100_000_rows() {
    let db = filled_db().await;
    let client = planning(&db).await;
    client.batch_execute("reset all").await.unwrap();
    let one = "select task_id from omniq.results where finished_at < now() - interval '2000 s' order by finished_at desc limit 1 offset 7";
    let ids: Vec<uuid::Uuid> = [
        client.query_one(one, &[]).await.unwrap().get(0),
        uuid::Uuid::from_u128(0x0192_0000_0000_7000_9000_0000_0000_0000 + (5_000 << 16) + 30),
        uuid::Uuid::from_u128(0x0192_0000_0000_7000_9000_0000_0000_0000 + (9_999 << 16)),
    ]
    .into();
    for id in ids {
        for sql in [
            format!("select * from omniq.result('{id}')"),
            format!("select omniq.remove_results(array['{id}'::uuid], array[B'1'::bit varying])"),
        ] {
            // The first call of a session also reads the catalog.
            client.batch_execute(&format!("begin; {sql}; rollback")).await.unwrap();
            client.batch_execute("begin").await.unwrap();
            let pages = pages(&client, &sql).await;
            client.batch_execute("rollback").await.unwrap();
            assert!(pages < 300, "{pages} pages: {sql}");
        }
    }
    let latest = pages(&client, "select * from omniq.results order by finished_at desc limit 20").await;
    assert!(latest < 300, "{latest} pages");
}

/// Found by a hostile reader: the plan that a session keeps, made for an empty queue, could read all tasks that are ready.
#[tokio::test]
async fn c19_a_settlement_in_a_transaction_reads_a_few_pages_whatever_its_plan_was_made_for() {
    let db = filled_db().await;
    let client = planning(&db).await;
    client.batch_execute("reset all").await.unwrap();
    let id = |n: usize| format!("01920000-0000-7000-a000-00000000000{n}");
    let settle = |n: usize| {
        let id = id(n);
        format!(
            r#"select omniq.settle_in_transaction('{{"keep": false, "everything": true, "tasks": [{{"id": "{id}", "worker": 1,
                "number": 1, "outcome": "complete", "delay": 0, "error": null}}]}}', '{{null}}')"#
        )
    };
    let empty = "create table aside as select * from omniq.tasks; truncate omniq.tasks; analyze omniq.tasks";
    client.batch_execute(empty).await.unwrap();
    // Each refuses its task. A plan for any arguments is kept from the first call on.
    for _ in 0..3 {
        client.batch_execute(&settle(0)).await.unwrap_err();
    }
    let fill = "insert into omniq.tasks select * from aside;
        insert into omniq.workers (id, name, queues, lease) overriding system value
        select 1, 'w', '{q}', '1 h' where not exists (select from omniq.workers where id = 1)";
    client.batch_execute(fill).await.unwrap();
    let mut least = u64::MAX;
    // The least of some, because a session also reads the catalog at times.
    for n in 0..5 {
        let task = format!(
            "insert into omniq.tasks (id, seq, queue, func, payloads, state, run_at, created_at, worker, attempt, claims, claimed_at)
             values ('{}', 1, 'q', 'f', '{{\\x6e756c6c}}', 1, now(), now(), 1, 1, 1, now())",
            id(n)
        );
        client.batch_execute(&task).await.unwrap();
        least = least.min(pages(&client, &settle(n)).await);
    }
    assert!(least < 100, "{least} pages");
}

/// The functions behind it plan for themselves.
#[tokio::test]
async fn c19_an_enqueue_of_a_unique_task_reads_a_few_pages_of_100_000_rows() {
    let db = filled_db().await;
    let client = planning(&db).await;
    client.batch_execute("reset all").await.unwrap();
    let enqueue =
        |key: &str, more: &str| format!("select omniq.enqueue('f', queue => 'q', key => '{key}'{more})");
    client.batch_execute(&enqueue("held", "")).await.unwrap();
    let replace = ", on_conflict => 'replace'";
    for (what, key, more) in
        [("new", "new", ""), ("held", "held", ""), ("replaced", "held", replace), ("free", "k", "")]
    {
        let mut least = u64::MAX;
        for n in 0..5 {
            let key =
                if what == "new" || what == "free" { format!("{key}{}", n + 1) } else { key.to_owned() };
            least = least.min(pages(&client, &enqueue(&key, more)).await);
        }
        assert!(least < 150, "{what}: {least} pages");
    }
    let mut least = u64::MAX;
    for _ in 0..3 {
        least = least.min(pages(&client, "select omniq.clean_keys(10)").await);
    }
    assert!(least < 300, "the clean-up: {least} pages");
}
