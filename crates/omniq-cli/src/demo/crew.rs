//! The worker processes, seen from the demo. Each has a pipe to its standard input: the orders come through it, and its end
//! says that the work is over, or that the demo is gone, even by SIGKILL.

use std::process::{ExitStatus, Stdio};

use futures_util::future::select_all;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::stop::Stop;
use super::work::Orders;
use crate::fail::{Exit, Failure, Result};

/// How many workers may die before it is given up.
const DEATHS: u32 = 10;

pub struct Crew {
    orders: Vec<u8>,
    workers: Vec<Worker>,
    deaths: u32,
}

struct Worker {
    process: Child,
    /// Kept apart: a wait for the process would close it.
    pipe: Option<ChildStdin>,
}

impl Crew {
    /// Starts the processes, and gives them their orders.
    pub async fn start(orders: &Orders, count: u16) -> Result<Self> {
        let mut orders = serde_json::to_vec(orders)?;
        orders.push(b'\n');
        let mut crew = Self { orders, workers: Vec::new(), deaths: 0 };
        for _ in 0..count {
            crew.add().await?;
        }
        Ok(crew)
    }

    async fn add(&mut self) -> Result<()> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("demo-worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C in the terminal is the demo's, which tells its workers in its own way.
            .process_group(0)
            .spawn()?;
        let mut pipe = process.stdin.take();
        if let Some(pipe) = &mut pipe {
            // One that has died already is found by its death.
            let _ = pipe.write_all(&self.orders).await;
        }
        self.workers.push(Worker { process, pipe });
        Ok(())
    }

    /// Waits until a worker ends that was not told to.
    pub async fn death(&mut self) -> Result<ExitStatus> {
        let waits = self.workers.iter_mut().map(|worker| Box::pin(worker.process.wait()));
        let (status, place, _) = select_all(waits).await;
        self.workers.swap_remove(place);
        Ok(status?)
    }

    /// Another worker in place of one that has died.
    pub async fn replace(&mut self, status: ExitStatus) -> Result<()> {
        self.deaths += 1;
        if self.deaths > DEATHS {
            return Err(Failure::new(
                Exit::Failure,
                format!("the worker processes keep ending by themselves (the last one: {status})"),
            ));
        }
        self.add().await
    }

    /// Sends all home and waits until they are gone; at once if another signal asks for it.
    pub async fn stop(mut self, stop: &mut Stop) -> Result<()> {
        for worker in &mut self.workers {
            drop(worker.pipe.take());
        }
        let mut at_once = false;
        for worker in &mut self.workers {
            if !at_once {
                tokio::select! {
                    status = worker.process.wait() => drop(status?),
                    () = stop.asked() => at_once = true,
                }
            }
            if at_once {
                worker.process.kill().await?;
            }
        }
        Ok(())
    }
}
