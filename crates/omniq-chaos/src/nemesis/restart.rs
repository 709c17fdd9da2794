//! The server is restarted without warning.

use std::sync::Arc;
use std::time::Duration;

use omniq_embedded::StopMode;

use super::done::Done;
use crate::fallible::Fallible;
use crate::world::World;

pub async fn restart(world: &World) -> Fallible<Done> {
    if world.restarting.replace(true) {
        return Err("it is being restarted already".into());
    }
    let done = again(world).await;
    world.restarting.set(false);
    done.map(|()| (None, String::new()))
}

/// Retried, because the server may not start at once on a full disk.
async fn again(world: &World) -> Fallible {
    let mut last = String::new();
    for _ in 0..60 {
        let server = Arc::clone(&world.server);
        let restarted = tokio::task::spawn_blocking(move || {
            let mut server = server.lock().expect("no restart panics");
            server.restart(StopMode::Immediate).map_err(|error| error.to_string())
        });
        match restarted.await? {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(last.into())
}

/// Starts the server if it is away, as after a full disk.
pub async fn ensure(world: &World) -> Fallible {
    for _ in 0..20 {
        if world.client().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    again(world).await
}
