//! The final tables, read by a plain connection of the driver after the load.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::fallible::Fallible;

#[derive(Debug)]
pub struct Row {
    pub id: Uuid,
    pub state: String,
    pub arguments: Value,
}

#[derive(Debug)]
pub struct Outcome {
    pub id: Uuid,
    pub status: String,
    pub attempt: i32,
    pub value: Value,
    pub error: String,
}

#[derive(Debug)]
pub struct Event {
    pub task: Uuid,
    pub kind: String,
    pub attempt: i32,
    /// Whether a worker that took the task from a lost one wrote this event.
    pub rescue: bool,
}

#[derive(Debug, Default)]
pub struct Facts {
    pub rows: Vec<Row>,
    pub results: Vec<Outcome>,
    /// In the order of the storage.
    pub events: Vec<Event>,
    /// (task, number, run)
    pub payments: Vec<(Uuid, u64, Uuid)>,
    pub effects: Vec<(Uuid, u64, Uuid)>,
    pub orders: BTreeMap<u64, u32>,
    pub money: (i64, i64),
    /// The counts by queue and state: from the queues' figures, and from the rows.
    pub counted: Vec<(String, String, i64)>,
    pub figures: Vec<(String, String, i64)>,
    /// How many tasks the pages of the library's list hold in total; and the error, if the list failed.
    pub listed: usize,
    pub unreadable: Option<String>,
    /// How many tasks were still open when the time limit was over.
    pub left: i64,
    /// Sessions of processes that have ended.
    pub sessions: i64,
    /// Processes that ended unexpectedly, or did not end when they should have.
    pub complaints: Vec<String>,
}

/// Reads everything except what only the run itself knows.
pub async fn read(client: &Client) -> Fallible<Facts> {
    let text = |value: Option<Vec<u8>>| {
        value.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
    };
    let mut facts = Facts::default();
    for row in client.query("select id, state, payload from omniq.task_list", &[]).await? {
        facts.rows.push(Row { id: row.get(0), state: row.get(1), arguments: text(row.get(2)) });
    }
    let sql = "select task_id, status, attempt, value, coalesce(error::text, '') from omniq.results";
    for row in client.query(sql, &[]).await? {
        facts.results.push(Outcome {
            id: row.get(0),
            status: row.get(1),
            attempt: row.get(2),
            value: text(row.get(3)),
            error: row.get(4),
        });
    }
    let sql = "select task_id, kind, coalesce(attempt, 0), coalesce(data->'error'->>'type' = 'worker_lost', false) \
         from omniq.events where task_id is not null order by id";
    for row in client.query(sql, &[]).await? {
        let (task, kind, attempt, rescue) = (row.get(0), row.get(1), row.get(2), row.get(3));
        facts.events.push(Event { task, kind, attempt, rescue });
    }
    for (sql, into) in [
        ("select task, n, run from payments", &mut facts.payments),
        ("select task, n, run from effects", &mut facts.effects),
    ] {
        for row in client.query(sql, &[]).await? {
            into.push((row.get(0), row.get::<_, i64>(1).cast_unsigned(), row.get(2)));
        }
    }
    for row in client.query("select n from orders", &[]).await? {
        *facts.orders.entry(row.get::<_, i64>(0).cast_unsigned()).or_default() += 1;
    }
    let row = client.query_one("select count(*) * 1000, sum(balance)::bigint from accounts", &[]).await?;
    facts.money = (row.get(0), row.get(1));
    let counted = "select queue, state, count(*) from omniq.task_list group by 1, 2";
    let figures = "select c.queue, s.state, s.count::bigint from omniq.queue_counts c, lateral (values
        ('ready', c.ready), ('scheduled', c.scheduled), ('running', c.running), ('dead', c.dead), ('completed', c.completed)
        ) s(state, count) where s.count <> 0";
    for (sql, into) in [(counted, &mut facts.counted), (figures, &mut facts.figures)] {
        for row in client.query(sql, &[]).await? {
            into.push((row.get(0), row.get(1), row.get(2)));
        }
        into.sort();
    }
    Ok(facts)
}
