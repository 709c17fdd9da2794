//! A worker process of the demo in Rust: reads its orders from stdin, works until stdin ends.

use std::io::{BufRead, Read};
use std::time::Duration;

use omniq::Worker;
use omniq::backend::postgres::{AsyncPostgresBackend, Settings};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::crew::Language;
use super::hash::{FUNC, hash_file};
use super::stop::Stop;
use crate::fail::{Failure, Result};

type Seconds = u64;

/// A worker that dies is noticed, and its tasks taken over, after about so long.
pub const LEASE: Seconds = 5;
/// A large file may be read to its end after a stop.
pub const GRACE: Seconds = 10;

/// What a worker process is told, whichever language it is written in (`python/omniq/cli/demo.py` reads them too).
#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    /// With the password: hence by a pipe, where no list of processes shows it.
    pub settings: Settings,
    pub queue: String,
    pub concurrency: usize,
    pub lease: Seconds,
    pub grace: Seconds,
}

pub async fn work() -> Result<()> {
    let (orders, told) = oneshot::channel();
    let (end, ended) = oneshot::channel::<()>();
    // A thread of its own, as nothing can interrupt a read from stdin.
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
    let worker = Worker::builder(backend.backend().clone())
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
