//! The worker processes, as the demo manages them. Each gets its orders through a pipe to its standard input. The end
//! of that pipe means that the work is over, or that the demo has ended, even by SIGKILL.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use futures_util::future::select_all;
use omniq::backend::postgres::DatabaseUrl;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::language::Language;
use super::stop::Stop;
use super::work::Orders;
use crate::fail::{Exit, Failure, Result};
use crate::host::Host;

/// How many workers may die before the demo gives up.
const DEATHS: u32 = 10;

/// The commands that start the workers: program and arguments.
#[derive(Debug, Clone)]
pub struct Programs {
    rust: Vec<OsString>,
    python: Option<Vec<OsString>>,
}

impl Programs {
    /// Fails if a Python cannot be started, or has no package `omniq`.
    pub async fn find(host: &Host, python: Option<&PathBuf>) -> Result<Self> {
        if let Some(python) = python {
            has_package(python).await?;
        }
        let python = python.or(host.python.as_ref());
        let module = |python: &PathBuf, module: &str| vec![python.into(), "-m".into(), module.into()];
        let mut rust = match &host.python {
            Some(python) => module(python, "omniq"),
            None => vec![std::env::current_exe()?.into()],
        };
        rust.push("demo-worker".into());
        Ok(Self { rust, python: python.map(|python| module(python, "omniq.cli.demo")) })
    }

    pub fn has_python(&self) -> bool {
        self.python.is_some()
    }

    fn of(&self, language: Language) -> &[OsString] {
        match language {
            Language::Rust => &self.rust,
            Language::Python => self.python.as_deref().unwrap_or_default(),
        }
    }
}

async fn has_package(python: &Path) -> Result<()> {
    let code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('omniq') is None)";
    let asked = Command::new(python).args(["-c", code]).stdin(Stdio::null()).status().await;
    let shown = python.display();
    match asked {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            Err(Failure::usage(format!("the Python {shown} has no package omniq: install omniq-pg in it")))
        }
        Err(error) => Err(Failure::usage(format!("the Python {shown} cannot be started: {error}"))),
    }
}

pub struct Crew {
    orders: Vec<u8>,
    /// Whether the variables of libpq are meant for another server.
    is_private: bool,
    programs: Programs,
    workers: Vec<Worker>,
    deaths: u32,
}

struct Worker {
    language: Language,
    process: Child,
    /// Kept apart from `process`, because a wait for the process would close it.
    pipe: Option<ChildStdin>,
}

impl Crew {
    /// Starts the processes and sends them their orders.
    pub async fn start(orders: &Orders, programs: Programs, team: Vec<(Language, u16)>) -> Result<Self> {
        let is_private = orders.settings.url.as_ref().is_some_and(DatabaseUrl::is_complete);
        let mut orders = serde_json::to_vec(orders)?;
        orders.push(b'\n');
        let mut crew = Self { orders, is_private, programs, workers: Vec::new(), deaths: 0 };
        for (language, count) in team {
            for _ in 0..count {
                crew.add(language).await?;
            }
        }
        Ok(crew)
    }

    async fn add(&mut self, language: Language) -> Result<()> {
        let [program, arguments @ ..] = self.programs.of(language) else { return Ok(()) };
        let mut command = Command::new(program);
        if self.is_private {
            let of_libpq = |name: &OsString| name.to_string_lossy().starts_with("PG");
            for (name, _) in std::env::vars_os().filter(|(name, _)| of_libpq(name)) {
                command.env_remove(name);
            }
        }
        let mut process = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Ctrl-C in the terminal must reach only the demo, which then stops its workers through their pipes.
            .process_group(0)
            .spawn()?;
        let mut pipe = process.stdin.take();
        if let Some(pipe) = &mut pipe {
            // A worker that has already died is noticed by `death`.
            let _ = pipe.write_all(&self.orders).await;
        }
        self.workers.push(Worker { language, process, pipe });
        Ok(())
    }

    /// Waits until a worker ends by itself.
    pub async fn death(&mut self) -> Result<(Language, ExitStatus)> {
        let waits = self.workers.iter_mut().map(|worker| Box::pin(worker.process.wait()));
        let (status, place, _) = select_all(waits).await;
        let worker = self.workers.swap_remove(place);
        Ok((worker.language, status?))
    }

    /// Starts another worker in place of one that has died.
    pub async fn replace(&mut self, language: Language, status: ExitStatus) -> Result<()> {
        self.deaths += 1;
        if self.deaths > DEATHS {
            return Err(Failure::new(
                Exit::Failure,
                format!(
                    "the worker processes keep ending by themselves (the last one, in {language}: {status})"
                ),
            ));
        }
        self.add(language).await
    }

    /// Closes the pipes and waits until all workers have ended. A further signal kills them at once.
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
