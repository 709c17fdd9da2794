//! The server's disk is full for some seconds. It needs a separate file system, which only root can mount.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::done::Done;
use super::restart;
use crate::fallible::Fallible;
use crate::plan::Step;
use crate::world::World;

pub async fn fill(world: &World, step: Step) -> Fallible<Done> {
    let disk = world.disk.as_ref().ok_or("the server has no disk of its own (that needs root)")?;
    // Two such faults at once need two files.
    let ballast = disk.join(format!("ballast-{}", step.pick));
    let path = ballast.clone();
    let written = tokio::task::spawn_blocking(move || write_until_full(&path)).await?;
    tokio::time::sleep(Duration::from_secs_f64(step.secs)).await;
    std::fs::remove_file(&ballast)?;
    // Without room for its log the server stops, and may not restart by itself.
    restart::ensure(world).await?;
    Ok((None, format!("{} MB for {:.1} s", written? >> 20, step.secs)))
}

/// Writes in smaller and smaller pieces, to the last page.
fn write_until_full(path: &Path) -> std::io::Result<usize> {
    let mut file = File::create(path)?;
    let (mut piece, mut written) = (vec![0_u8; 1 << 20], 0);
    while piece.len() >= 4096 {
        match file.write(&piece) {
            Ok(count @ 1..) => written += count,
            _ => piece.truncate(piece.len() / 16),
        }
    }
    Ok(written)
}
