//! The locks of waits: which of them the listening connection takes and releases as waits begin and end.
//!
//! There is one lock for each base id, or one for all tasks if that would be many; and one that says that somebody waits at all. Locks are
//! kept for a moment after the last wait, because often another one follows.

use std::collections::HashMap;
use std::time::Duration;

use omniq_core::Result;
use omniq_core::sync::locked;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::ends::{Hub, Lock};
use crate::db::Db;
use crate::error::from_driver;
use crate::sql::Columns;

/// Above this many base ids one lock stands for all tasks: the server has room for few locks, and waits that follow each other quickly need
/// no statements then. With this few there is a lock for each again.
const MOST: usize = 32;
const FEW: usize = 8;
/// How long a lock is kept after its last wait, and the shortest time between two releases.
const LINGER: Duration = Duration::from_secs(1);
const RELEASES: Duration = Duration::from_millis(250);

/// A base id that is waited for, or was a moment ago.
#[derive(Debug, Default)]
struct Base {
    waits: usize,
    idle: Option<Instant>,
    /// Whether it has a lock of its own.
    is_locked: bool,
}

pub(super) struct EndLocks {
    hub: Hub,
    listen: String,
    take: String,
    release: String,
    writers: String,
    bases: HashMap<Uuid, Base>,
    /// What this connection has done.
    listens: bool,
    has_any: bool,
    has_all: bool,
    /// Since when the oldest idle base id is idle.
    idle: Option<Instant>,
}

fn name(lock: Lock) -> String {
    lock.map_or_else(|| "*".to_owned(), |base| base.to_string())
}

impl EndLocks {
    pub(super) fn new(db: &Db, hub: Hub) -> Self {
        Self {
            hub,
            listen: format!("listen \"{}\"", db.schema.ends_channel()),
            take: db.sql.await_ends.text.clone(),
            release: db.sql.leave_ends.text.clone(),
            writers: db.sql.writers.text.clone(),
            bases: HashMap::new(),
            listens: false,
            has_any: false,
            has_all: false,
            idle: None,
        }
    }

    pub(super) fn begin(&mut self, bases: &[Uuid]) {
        for base in bases {
            let base = self.bases.entry(*base).or_default();
            base.waits += 1;
            base.idle = None;
        }
    }

    pub(super) fn end(&mut self, bases: &[Uuid]) {
        let now = Instant::now();
        for id in bases {
            let Some(base) = self.bases.get_mut(id) else { continue };
            base.waits = base.waits.saturating_sub(1);
            if base.waits == 0 {
                base.idle = Some(now);
                self.idle = self.idle.or(Some(now));
            }
        }
    }

    /// The connection broke.
    pub(super) fn disconnected(&mut self) {
        *locked(&self.hub.rings_all) = false;
        self.hub.look_all();
    }

    /// Takes all locks on a new connection.
    pub(super) async fn connected(&mut self, client: &Client) -> Result<()> {
        (self.listens, self.has_any, self.has_all) = (false, false, false);
        self.bases.retain(|_, base| base.waits > 0);
        self.bases.values_mut().for_each(|base| base.is_locked = false);
        self.idle = None;
        if !self.bases.is_empty() {
            self.take(client).await?;
            self.hub.look_all();
        }
        Ok(())
    }

    /// Takes the locks that are missing. What ends from now on rings; those who wait look when the transactions have ended that may have
    /// looked for waits before.
    pub(super) async fn take(&mut self, client: &Client) -> Result<()> {
        let mut locks: Vec<Lock> = Vec::new();
        if !self.has_all && self.bases.len() > MOST {
            locks.push(None);
        } else if !self.has_all {
            locks.extend(self.bases.iter().filter(|(_, base)| !base.is_locked).map(|(id, _)| Some(*id)));
        }
        if locks.is_empty() {
            return Ok(());
        }
        let mut names: Vec<String> = locks.iter().copied().map(name).collect();
        if !self.has_any {
            names.push(String::new());
        }
        let listen = async { if self.listens { Ok(()) } else { client.batch_execute(&self.listen).await } };
        let named: [(&(dyn ToSql + Sync), Type); 1] = [(&names, Type::TEXT_ARRAY)];
        let all: [(&(dyn ToSql + Sync), Type); 2] =
            [(&true, Type::BOOL), (&None::<Vec<String>>, Type::TEXT_ARRAY)];
        let (taken, writers) =
            (client.query_typed(&self.take, &named), client.query_typed(&self.writers, &all));
        // Sent together, and carried out in this order.
        let (listening, taken, writers) = tokio::join!(listen, taken, writers);
        listening.map_err(from_driver)?;
        taken.map_err(from_driver)?;
        (self.listens, self.has_any) = (true, true);
        self.hub.watch(Columns::new(&writers.map_err(from_driver)?[0]).take()?, &locks);
        for lock in locks {
            match lock {
                None => {
                    self.has_all = true;
                    *locked(&self.hub.rings_all) = true;
                }
                Some(id) => self.bases.entry(id).or_default().is_locked = true,
            }
        }
        Ok(())
    }

    /// When locks are to be released.
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.idle.map(|idle| idle + LINGER)
    }

    /// Releases the locks of base ids that nobody waits for any more. True: the one for all tasks is to be released as well, after the
    /// waits that have relied on it are known.
    pub(super) async fn release_idle(&mut self, client: &Client) -> Result<bool> {
        let now = Instant::now();
        let is_over = |base: &Base| base.idle.is_some_and(|idle| idle + LINGER <= now);
        let over: Vec<Lock> = self
            .bases
            .iter()
            .filter(|(_, base)| is_over(base) && base.is_locked)
            .map(|(id, _)| Some(*id))
            .collect();
        self.bases.retain(|_, base| !is_over(base));
        let oldest = self.bases.values().filter_map(|base| base.idle).min();
        self.idle = oldest.map(|idle| idle.max(now + RELEASES - LINGER));
        let mut names: Vec<String> = over.iter().copied().map(name).collect();
        if self.bases.is_empty() && self.has_any && !self.has_all {
            names.push(String::new());
            self.has_any = false;
        }
        self.give_up(client, &names, &over).await?;
        if !self.has_all || self.bases.len() > FEW {
            return Ok(false);
        }
        *locked(&self.hub.rings_all) = false;
        self.has_all = false;
        self.take(client).await?;
        Ok(true)
    }

    /// Releases the lock for all tasks, unless it was taken again.
    pub(super) async fn release_all(&mut self, client: &Client) -> Result<()> {
        let mut names = vec![name(None)];
        if self.bases.is_empty() && self.has_any {
            names.push(String::new());
            self.has_any = false;
        }
        // A lock that was taken twice is held until it is released twice.
        let locks: &[Lock] = if self.has_all { &[] } else { &[None] };
        self.give_up(client, &names, locks).await
    }

    async fn give_up(&self, client: &Client, names: &Vec<String>, locks: &[Lock]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        self.hub.forget(locks);
        client.query_typed(&self.release, &[(names, Type::TEXT_ARRAY)]).await.map(drop).map_err(from_driver)
    }
}
