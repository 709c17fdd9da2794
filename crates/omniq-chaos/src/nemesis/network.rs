//! The network of the worker that uses the proxy: cut, or silently stalled.

use std::time::Duration;

use super::done::Done;
use crate::fallible::Fallible;
use crate::plan::Step;
use crate::world::World;

pub async fn disturb(world: &World, step: Step) -> Fallible<Done> {
    if step.pick & 1 == 0 {
        world.proxy.cut();
        return Ok((None, "cut".to_owned()));
    }
    world.proxy.stall(true);
    tokio::time::sleep(Duration::from_secs_f64(step.secs)).await;
    world.proxy.stall(false);
    Ok((None, format!("stood still for {:.1} s", step.secs)))
}
