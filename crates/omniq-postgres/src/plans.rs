//! Test: every statement finds its rows by an index, also among 100,000.

use std::fmt::Write;

use omniq_core::{NewTask, TaskQueue};
use omniq_testkit::TestDb;

use crate::AsyncPostgresBackend;
use crate::schema::Schema;
use crate::settings::{Part, Settings};
use crate::sql::{Statement, Statements};

/// Plans with parameters unknown, as prepared statements are planned after their first runs.
async fn generic_plan(client: &tokio_postgres::Client, statement: &Statement) -> String {
    let types: Vec<_> = statement.types.iter().map(|ty| ty.name().to_owned()).collect();
    let types = if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
    client
        .batch_execute(&format!(
            "set plan_cache_mode = force_generic_plan; prepare probe{types} as {}",
            statement.text
        ))
        .await
        .unwrap();
    let nulls = vec!["null"; statement.types.len()].join(", ");
    let arguments = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
    let plan = explain(client, &format!("execute probe{arguments}")).await;
    client.batch_execute("deallocate probe").await.unwrap();
    plan
}

async fn explain(client: &tokio_postgres::Client, sql: &str) -> String {
    let mut plan = String::new();
    for message in client.simple_query(&format!("explain {sql}")).await.unwrap() {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            writeln!(plan, "{}", row.get(0).unwrap()).unwrap();
        }
    }
    plan
}

#[tokio::test]
async fn c19_every_statement_uses_an_index_at_100_000_rows() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).events(Part::Postgres).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    for _ in 0..20 {
        let tasks = (0..5_000).map(|n| NewTask::new("f", &n).unwrap()).collect();
        backend.queue().enqueue_many(tasks).await.unwrap();
    }
    let client = db.client().await;
    let sql = Statements::new(&Schema::new("omniq").unwrap());
    for analyzed in [false, true] {
        if analyzed {
            client.batch_execute("analyze").await.unwrap();
        }
        for (name, statement) in sql.all() {
            let plan = generic_plan(&client, statement).await;
            if ["Seq Scan on tasks", "Seq Scan on results", "Seq Scan on events"]
                .iter()
                .any(|s| plan.contains(s))
            {
                println!("analyzed {analyzed} {name}\n{plan}");
            }
        }
    }
    backend.close().await.unwrap();
}
