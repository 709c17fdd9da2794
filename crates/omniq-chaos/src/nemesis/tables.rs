//! Faults that make tables slow: a held snapshot, and VACUUM FULL.

use std::time::Duration;

use tokio_postgres::Client;

use super::done::Done;
use crate::fallible::Fallible;
use crate::plan::Step;
use crate::world::World;

pub async fn snapshot(world: &World, step: Step) -> Fallible<Done> {
    let client = world.client().await?;
    client.batch_execute("begin isolation level repeatable read; select count(*) from pg_class").await?;
    tokio::time::sleep(Duration::from_secs_f64(step.secs)).await;
    let _ = client.batch_execute("rollback").await;
    Ok((None, format!("{:.1} s", step.secs)))
}

pub async fn vacuum(world: &World, step: Step) -> Fallible<Done> {
    let client = world.client().await?;
    let table = table(&client, step).await?;
    client.batch_execute("set lock_timeout = '5s'").await?;
    client.batch_execute(&format!("vacuum full {table}")).await?;
    Ok((None, table))
}

/// One of the queue's tables. In half of the cases it is one of the three that are written to most.
pub async fn table(client: &Client, step: Step) -> Fallible<String> {
    let sql = "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        left join pg_stat_user_tables s on s.relid = c.oid
        where n.nspname = 'omniq' and c.relkind = 'r'
        order by coalesce(s.n_tup_upd + s.n_tup_del + s.n_tup_ins, 0) desc, c.relname";
    let tables = client.query(sql, &[]).await?;
    let among = if step.pick & 1 == 0 { tables.len().min(3) } else { tables.len() };
    let row = tables.get((step.pick >> 1) as usize % among.max(1)).ok_or("the queue has no tables yet")?;
    Ok(row.get(0))
}
