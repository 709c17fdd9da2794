//! A worker process of the demo in Rust: reads its orders from stdin, and works until stdin ends.

use std::io::{BufRead, Read};
use std::time::Duration;

use omniq::Worker;
use omniq::backend::postgres::{AsyncPostgresBackend, Settings};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::hash::{FUNC, hash_file};
use super::language::Language;
use super::stop::Stop;
use crate::fail::{Failure, Result};

type Seconds = u64;

/// About this long after a worker died, its tasks are taken over.
pub const LEASE: Seconds = 5;
/// After a stop, a large file may still be read to its end within this time.
pub const GRACE: Seconds = 10;

/// What a worker process reads from stdin, in either language (`python/omniq/cli/demo.py` reads it too).
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    /// Includes the password. Orders go through a pipe because a list of processes shows arguments.
    pub settings: Settings,
    pub queue: String,
    pub concurrency: usize,
    pub lease: Seconds,
    pub grace: Seconds,
}

pub async fn work() -> Result<()> {
    let (orders, told) = oneshot::channel();
    let (end, ended) = oneshot::channel::<()>();
    // A thread of its own, because a read from stdin cannot be interrupted.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = String::new();
        if input.read_line(&mut line).is_ok() && orders.send(line).is_ok() {
            let _ = input.read_to_end(&mut Vec::new());
        }
        drop(end);
    });
    let Ok(line) = told.await else { return Ok(()) };
    if line.is_empty() {
        return Ok(());
    }
    let orders: Orders = serde_json::from_str(&line).map_err(|_| {
        Failure::usage("the worker of the demo is started by the demo alone: run `omniq demo`")
    })?;
    let backend = AsyncPostgresBackend::with_settings_patiently(&orders.settings).await?;
    let worker = Worker::builder(&backend)
        .register_blocking(FUNC, hash_file)
        .queues([orders.queue])
        .concurrency(orders.concurrency)
        .lease(Duration::from_secs(orders.lease))
        .grace(Duration::from_secs(orders.grace))
        .name(Language::Rust.worker_name())
        .build()?;
    let mut stop = Stop::listen()?;
    let worked = worker
        .run_until(async {
            tokio::select! {
                _ = ended => {}
                () = stop.asked() => {}
            }
        })
        .await;
    let closed = backend.close().await;
    worked?;
    Ok(closed?)
}
