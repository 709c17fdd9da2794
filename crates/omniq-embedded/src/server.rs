//! The handle of a running server: its start, stop and restart. What it reports about itself is in `address`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::Account;
use crate::error::{Kind, Result};
use crate::folder::Folder;
use crate::options::{Lifetime, Options, StopMode};
use crate::owner::Bond;
use crate::process::{self, Running};
use crate::programs::Programs;
use crate::{cluster, config, home, launch, readable, socket};

/// A PostgreSQL server in a data folder of its own, on a loopback port of its own.
///
/// The user and the database are both called `omniq`. Dropping the handle ends an owned server and
/// leaves a shared one alone.
pub struct Server {
    pub(crate) folder: Folder,
    pub(crate) options: Options,
    pub(crate) running: Running,
    pub(crate) password: String,
    bond: Option<Bond>,
}

impl Server {
    /// Starts the server, or attaches to it if it is shared and runs already. The data folder is made
    /// if it is missing.
    ///
    /// Any number of processes may call this at once: one of them starts the server and all get it.
    /// The port of the last start is taken again if it is still free.
    ///
    /// # Errors
    /// If there are no server programs, if the folder cannot be used, if the server does not become
    /// ready in time (with the end of its log), or if an owned server is asked for where one runs.
    pub fn start(options: Options) -> Result<Self> {
        config::check(&options.settings)?;
        let account = Account::current()?;
        let folder = Folder::prepare(&data_dir(&options, &account, true)?, &account)?;
        let _lock = folder.lock(options.limit())?;
        let deadline = Instant::now() + options.limit();
        if let Some(running) = launch::settle(&folder.data(), deadline) {
            if options.lifetime == Lifetime::Owned {
                return Err(Kind::Running { path: folder.root().into(), pid: running.pid }.into());
            }
            let password = folder.password()?;
            return Ok(Self { folder, options, running, password, bond: None });
        }
        let (running, bond) = start_locked(&folder, &account, &options)?;
        let password = folder.password()?;
        Ok(Self { folder, options, running, password, bond })
    }

    /// The server that runs in the data folder, if there is one. Nothing is started or made.
    ///
    /// # Errors
    /// If no folder was named and there are no server programs, or if its password cannot be read.
    pub fn attach(options: Options) -> Result<Option<Self>> {
        let folder = Folder::existing(&data_dir(&options, &Account::current()?, false)?);
        let Some(folder) = folder else {
            return Ok(None);
        };
        let Some(running) = launch::ready(&folder.data()) else {
            return Ok(None);
        };
        let password = folder.password()?;
        Ok(Some(Self { folder, options, running, password, bond: None }))
    }

    /// Stops the server, and waits until it has ended. A server that has already ended is no error.
    ///
    /// # Errors
    /// If it has not ended in time: in mode smart because clients are still connected.
    pub fn stop(&mut self, mode: StopMode) -> Result<()> {
        let _lock = self.folder.lock(self.options.limit())?;
        self.stop_locked(mode, self.options.limit())
    }

    /// Stops the server if it runs, and starts it again with this handle's settings, on the same port
    /// if no other program has taken it meanwhile.
    ///
    /// # Errors
    /// As for [`Server::stop`] and [`Server::start`].
    pub fn restart(&mut self, mode: StopMode) -> Result<()> {
        let account = Account::current()?;
        let _lock = self.folder.lock(self.options.limit())?;
        self.stop_locked(mode, self.options.limit())?;
        (self.running, self.bond) = start_locked(&self.folder, &account, &self.options)?;
        Ok(())
    }

    /// Kills the server's main process without any warning (SIGKILL), for tests of faults. Its
    /// sessions end by themselves a moment later; [`Server::restart`] brings it back.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let _lock = self.folder.lock(self.options.limit())?;
        let path = self.folder.root().to_owned();
        let running = process::running(&self.folder.data()).ok_or(Kind::NotRunning { path })?;
        self.end(running.pid, Signal::KILL, self.options.limit())
    }

    fn stop_locked(&mut self, mode: StopMode, limit: Duration) -> Result<()> {
        let signal = match mode {
            StopMode::Smart => Signal::TERM,
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        };
        if let Some(running) = process::running(&self.folder.data()) {
            self.end(running.pid, signal, limit)?;
        }
        if let Some(bond) = self.bond.take() {
            bond.release();
        }
        socket::remove(self.socket_dir(), &self.folder);
        Ok(())
    }

    fn end(&self, pid: u32, signal: Signal, limit: Duration) -> Result<()> {
        let data = self.folder.data();
        process::signal(pid, &data, signal);
        let deadline = Instant::now() + limit;
        while process::is_server(pid, &data) {
            if Instant::now() > deadline {
                return Err(Kind::StopTimeout { pid, seconds: limit.as_secs_f64() }.into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.bond.as_ref().is_some_and(Bond::is_ours) {
            return;
        }
        let patience = Duration::from_secs(10);
        let _lock = self.folder.lock(patience);
        // Another process stopped it, and perhaps started it again. Then it is no longer this handle's.
        if self.pid().is_some_and(|pid| pid != self.running.pid) {
            let _ = self.bond.take().map(Bond::release);
        } else if self.stop_locked(StopMode::Fast, patience).is_err() {
            let _ = self.stop_locked(StopMode::Immediate, patience);
        }
    }
}

fn data_dir(options: &Options, account: &Account, make: bool) -> Result<PathBuf> {
    if let Some(data_dir) = &options.data_dir {
        return Ok(data_dir.clone());
    }
    let version = Programs::locate_for(options)?.version();
    Ok(home::folder(account, make)?.join(format!("pg-{version}")))
}

fn start_locked(folder: &Folder, account: &Account, options: &Options) -> Result<(Running, Option<Bond>)> {
    let programs = readable::for_account(Programs::locate_for(options)?, account)?;
    cluster::ensure(folder, &programs, account, options.careless())?;
    launch::launch(folder, &programs, account, options)
}
