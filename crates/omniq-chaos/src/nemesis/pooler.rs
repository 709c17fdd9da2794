//! The pooler is killed and started again at its old address.

use super::done::Done;
use crate::fallible::Fallible;
use crate::world::World;

pub async fn restart(world: &World) -> Fallible<Done> {
    // Taken out, so that a second fault of this kind finds no pooler meanwhile.
    let mut pooler = world.pooler.take().ok_or("it is being restarted already")?;
    let again = tokio::task::spawn_blocking(move || {
        pooler.restart();
        pooler
    });
    world.pooler.replace(Some(again.await?));
    Ok((None, String::new()))
}
