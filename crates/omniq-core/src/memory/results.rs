//! The in-memory result storage.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;

use super::notifier::Notifier;
use super::{locked, new_location};
use crate::model::*;
use crate::{Error, Location, Result, ResultStorage, clock};

/// Latest first; of those of one instant the greatest id first.
type Position = Reverse<(Timestamp, TaskId)>;

#[derive(Debug, Default)]
struct Results {
    by_id: HashMap<TaskId, TaskResult>,
    order: BTreeSet<Position>,
}

fn position(result: &TaskResult) -> Position {
    Reverse((result.finished_at, result.task_id))
}

fn is_over(result: &TaskResult, now: Timestamp) -> bool {
    result.expires_at.is_some_and(|end| end <= now)
}

fn matches(filter: &ResultFilter, result: &TaskResult) -> bool {
    filter.selects(result) && filter.after.is_none_or(|(at, id)| position(result) > Reverse((at, id)))
}

impl Results {
    fn put(&mut self, result: TaskResult) {
        self.remove(result.task_id);
        self.order.insert(position(&result));
        self.by_id.insert(result.task_id, result);
    }

    fn remove(&mut self, id: TaskId) -> Option<TaskResult> {
        let result = self.by_id.remove(&id)?;
        self.order.remove(&position(&result));
        Some(result)
    }

    fn get(&self, id: TaskId, now: Timestamp) -> Option<&TaskResult> {
        self.by_id.get(&id).filter(|result| !is_over(result, now))
    }

    fn named<'a>(&'a self, filter: &'a ResultFilter, now: Timestamp) -> impl Iterator<Item = &'a TaskResult> {
        self.order
            .iter()
            .filter_map(move |Reverse((_, id))| self.get(*id, now))
            .filter(|result| matches(filter, result))
    }
}

#[derive(Debug)]
struct Shared {
    results: Mutex<Results>,
    notifier: Notifier,
    location: Location,
}

/// Results in this process's memory. Clones are the same object; [`reopen`](Self::reopen) makes another one on the
/// same results.
#[derive(Debug, Clone)]
pub struct MemoryResultStorage {
    shared: Arc<Shared>,
    closed: Arc<AtomicBool>,
    limits: Limits,
}

impl MemoryResultStorage {
    /// An empty storage.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let shared =
            Shared { results: Mutex::default(), notifier: Notifier::new(), location: new_location() };
        Self { shared: Arc::new(shared), closed: Arc::default(), limits: Limits::default() }
    }

    /// Another object on the same results, which is closed separately.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), closed: Arc::default(), limits: self.limits.clone() }
    }

    /// Another object on the same results with these limits.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, ..self.reopen() }
    }

    fn open(&self) -> Result<(MutexGuard<'_, Results>, Timestamp)> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed("the result storage is closed: open a new one"));
        }
        let results = locked(&self.shared.results);
        Ok((results, clock::now()))
    }
}

#[async_trait]
impl ResultStorage for MemoryResultStorage {
    async fn store_many(&self, results: Vec<TaskResult>) -> Result<()> {
        let results = results.into_iter().map(TaskResult::checked).collect::<Result<Vec<_>>>()?;
        results.iter().try_for_each(|result| self.limits.check_result(result))?;
        let (mut stored, now) = self.open()?;
        for mut result in results {
            result.expires_at = result.ttl.map(|ttl| now.checked_add(ttl).unwrap_or(Timestamp::MAX));
            stored.put(result);
        }
        self.shared.notifier.notify();
        Ok(())
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        let (results, now) = self.open()?;
        Ok(ids.iter().map(|id| results.get(*id, now).cloned()).collect())
    }

    async fn wait(&self, id: TaskId, timeout: Duration) -> Result<TaskResult> {
        let mut listener = self.shared.notifier.listen();
        let start = Instant::now();
        loop {
            if let Some(result) = self.get(id).await? {
                return Ok(result);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(<dyn ResultStorage>::wait_over(id, timeout));
            }
            listener.wait(left).await;
        }
    }

    async fn delete_many(&self, ids: &[TaskId]) -> Result<u64> {
        let (mut results, now) = self.open()?;
        let removed = ids.iter().filter_map(|id| results.remove(*id));
        Ok(removed.filter(|result| !is_over(result, now)).count() as u64)
    }

    async fn list(&self, filter: &ResultFilter) -> Result<Vec<TaskResult>> {
        let (results, now) = self.open()?;
        let page = results.named(filter, now).take(filter.page_size() as usize);
        Ok(page.cloned().collect())
    }

    async fn count(&self, filter: &ResultFilter) -> Result<u64> {
        let (results, now) = self.open()?;
        Ok(results.named(filter, now).count() as u64)
    }

    async fn purge_expired(&self, limit: u32) -> Result<u64> {
        let (mut results, now) = self.open()?;
        let over = results.by_id.values().filter(|result| is_over(result, now));
        let ids: Vec<_> = over.take(limit as usize).map(|result| result.task_id).collect();
        Ok(ids.into_iter().filter_map(|id| results.remove(id)).count() as u64)
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.shared.notifier.notify();
        Ok(())
    }

    fn location(&self) -> Location {
        self.shared.location.clone()
    }
}
