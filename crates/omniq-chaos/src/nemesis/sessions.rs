//! Faults of sessions: a share of them is terminated, or their statements are cancelled.

use super::done::Done;
use crate::fallible::Fallible;
use crate::plan::Step;
use crate::world::World;

/// Applies `function` to a share of the sessions in the database, up to all of them.
pub async fn hit(world: &World, step: Step, function: &str) -> Fallible<Done> {
    let client = world.client().await?;
    let share = [0.1, 0.3, 1.0][step.pick as usize % 3];
    let sql = format!(
        "select count({function}(pid)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and random() < $1"
    );
    let count: i64 = client.query_one(&sql, &[&share]).await?.get(0);
    Ok((None, format!("{count} sessions")))
}
