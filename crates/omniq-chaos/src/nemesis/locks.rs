//! A table of the queue is locked for some seconds.

use std::time::Duration;

use super::done::Done;
use super::tables::table;
use crate::fallible::Fallible;
use crate::plan::Step;
use crate::world::World;

pub async fn lock(world: &World, step: Step) -> Fallible<Done> {
    let mode = ["share", "exclusive", "access exclusive"][(step.pick >> 16) as usize % 3];
    let client = world.client().await?;
    let table = table(&client, step).await?;
    client
        .batch_execute(&format!("begin; set local lock_timeout = '5s'; lock table {table} in {mode} mode"))
        .await?;
    tokio::time::sleep(Duration::from_secs_f64(step.secs)).await;
    // The session may have been terminated meanwhile, which unlocks the table as well.
    let _ = client.batch_execute("rollback").await;
    Ok((None, format!("{table} {mode} {:.1} s", step.secs)))
}
