//! The in-memory event storage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{locked, new_location};
use crate::model::*;
use crate::{Error, EventStorage, Location, Result};

#[derive(Debug, Default)]
struct Log {
    events: Vec<TaskEvent>,
    last_id: i64,
}

fn matches(filter: &EventFilter, event: &TaskEvent) -> bool {
    filter.task_id.is_none_or(|id| event.task_id == Some(id))
        && filter.kind.as_ref().is_none_or(|kind| *kind == event.kind)
        && filter.queue.as_ref().is_none_or(|queue| Some(queue) == event.queue.as_ref())
        && filter.worker.as_ref().is_none_or(|worker| Some(worker) == event.worker.as_ref())
        && filter.since.is_none_or(|since| since <= event.at)
        && filter.until.is_none_or(|until| event.at < until)
        && filter.after.is_none_or(|after| after < event.id)
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    location: Location,
}

/// Events in this process's memory. Clones are the same object; [`reopen`](Self::reopen) makes another one on the
/// same log.
#[derive(Debug, Clone)]
pub struct MemoryEventStorage {
    shared: Arc<Shared>,
    closed: Arc<AtomicBool>,
}

impl MemoryEventStorage {
    /// An empty log.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let shared = Shared { log: Mutex::default(), location: new_location() };
        Self { shared: Arc::new(shared), closed: Arc::default() }
    }

    /// Another object on the same log, which is closed separately.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), closed: Arc::default() }
    }

    fn open(&self) -> Result<MutexGuard<'_, Log>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed("the event storage is closed: open a new one"));
        }
        Ok(locked(&self.shared.log))
    }
}

#[async_trait]
impl EventStorage for MemoryEventStorage {
    async fn log_many(&self, events: Vec<TaskEvent>) -> Result<()> {
        for event in &events {
            event.check()?;
        }
        let mut log = self.open()?;
        for mut event in events {
            log.last_id += 1;
            event.id = log.last_id;
            log.events.push(event);
        }
        Ok(())
    }

    async fn query(&self, filter: &EventFilter) -> Result<Vec<TaskEvent>> {
        let log = self.open()?;
        let named = log.events.iter().filter(|event| matches(filter, event));
        let size = filter.page_size() as usize;
        if !filter.latest {
            return Ok(named.take(size).cloned().collect());
        }
        let mut page: Vec<_> = named.rev().take(size).cloned().collect();
        page.reverse();
        Ok(page)
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64> {
        Ok(self.open()?.events.iter().filter(|event| matches(filter, event)).count() as u64)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut log = self.open()?;
        let mut removed = 0;
        log.events.retain(|event| {
            let goes = event.at < before && removed < u64::from(limit);
            removed += u64::from(goes);
            !goes
        });
        Ok(removed)
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }

    fn location(&self) -> Location {
        self.shared.location.clone()
    }
}
