//! The pooler is killed and started again at its old place.

use super::Done;
use crate::Fallible;
use crate::world::World;

pub async fn restart(world: &World) -> Fallible<Done> {
    let mut pooler = world.pooler.borrow_mut();
    pooler.as_mut().ok_or("there is no pooler")?.restart();
    Ok((None, String::new()))
}
