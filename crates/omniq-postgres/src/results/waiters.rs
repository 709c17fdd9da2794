//! Waiting for results: all waiters of a storage share one query.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use omniq_core::{Error, Result, ResultStorage, TaskId, TaskResult};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::fetch::fetch;
use crate::db::Db;
use omniq_core::sync::locked;

/// The shortest and the longest pause between two queries. The pause grows while no result arrives.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// The least time for the first query, even if the caller does not want to wait.
const FIRST: Duration = Duration::from_secs(1);
/// Longer than any wait, and safe to add to a time.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
/// The most ids in one query.
const CHUNK: usize = 5_000;

fn closed() -> Error {
    Error::closed("the result storage is closed: open a new one")
}

/// Whether another query would fail the same way. After a cancellation, an outage, a lock or a full pool it may succeed.
fn is_final(error: &Error) -> bool {
    !error.is_transient() && !error.is_timeout()
}

type Answer = Result<TaskResult>;
type Waiting = HashMap<TaskId, Vec<oneshot::Sender<Answer>>>;

/// The waiters of each task. One background task queries for all of them, and ends when none is left.
#[derive(Clone)]
pub(crate) struct Waiters {
    db: Weak<Db>,
    waiting: Arc<Mutex<Waiting>>,
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiters({})", self.lock().len())
    }
}

impl Waiters {
    pub(crate) fn new(db: &Arc<Db>) -> Self {
        Self { db: Arc::downgrade(db), waiting: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        locked(&self.waiting)
    }

    pub(crate) async fn wait(&self, id: TaskId, timeout: Duration) -> Answer {
        let end = Instant::now() + timeout.min(LONGEST);
        let db = self.db.upgrade().ok_or_else(closed)?;
        let first = end.max(Instant::now() + FIRST);
        match tokio::time::timeout_at(first, fetch(&db, &[id.as_uuid()])).await {
            Ok(Ok(mut found)) => {
                if let Some(result) = found.pop() {
                    return Ok(result);
                }
            }
            Ok(Err(error)) if is_final(&error) => return Err(error),
            Ok(Err(_)) => {}
            Err(_) => return Err(<dyn ResultStorage>::wait_over(id, timeout)),
        }
        drop(db);
        let (answer, mut answered) = oneshot::channel();
        let first = {
            let mut waiting = self.lock();
            let first = waiting.is_empty();
            waiting.entry(id).or_default().push(answer);
            first
        };
        if first {
            tokio::spawn(self.clone().look());
        }
        match tokio::time::timeout_at(end, &mut answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                drop(answered);
                self.forget(id);
                Err(<dyn ResultStorage>::wait_over(id, timeout))
            }
        }
    }

    /// Removes waiters of this task whose callers are gone.
    fn forget(&self, id: TaskId) {
        let mut waiting = self.lock();
        if let Some(answers) = waiting.get_mut(&id) {
            answers.retain(|answer| !answer.is_closed());
            if answers.is_empty() {
                waiting.remove(&id);
            }
        }
    }

    async fn look(self) {
        let mut pause = PAUSE.0;
        loop {
            let ids: Vec<_> = {
                let mut waiting = self.lock();
                waiting.retain(|_, answers| {
                    answers.retain(|answer| !answer.is_closed());
                    !answers.is_empty()
                });
                if waiting.is_empty() {
                    return;
                }
                waiting.keys().map(TaskId::as_uuid).collect()
            };
            let Some(db) = self.db.upgrade().filter(|db| !db.is_closed()) else {
                self.lock().clear();
                return;
            };
            let mut came = false;
            for ids in ids.chunks(CHUNK) {
                came |= self.look_for(&db, ids).await;
            }
            pause = if came { PAUSE.0 } else { (pause * 3 / 2).min(PAUSE.1) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether a result arrived. A permanent error fails only the waiters that it concerns: a query for several ids is split in two.
    async fn look_for(&self, db: &Db, ids: &[Uuid]) -> bool {
        let mut came = false;
        let mut parts = vec![ids];
        while let Some(ids) = parts.pop() {
            match fetch(db, ids).await {
                Ok(results) => {
                    came |= !results.is_empty();
                    self.answer(results);
                }
                Err(error) if !is_final(&error) => {
                    // The waiters' own timeouts limit how long this is retried.
                    tracing::debug!(%error, "a look for results failed; trying again");
                    return came;
                }
                Err(error) => match ids.split_at(ids.len() / 2) {
                    ([], ids) => ids.iter().for_each(|id| self.fail(TaskId::from(*id), &error)),
                    (first, second) => parts.extend([first, second]),
                },
            }
        }
        came
    }

    fn fail(&self, id: TaskId, error: &Error) {
        for answer in self.lock().remove(&id).unwrap_or_default() {
            let _ = answer.send(Err(error.clone()));
        }
    }

    fn answer(&self, results: Vec<TaskResult>) {
        let mut waiting = self.lock();
        for result in results {
            for answer in waiting.remove(&result.task_id).unwrap_or_default() {
                let _ = answer.send(Ok(result.clone()));
            }
        }
    }
}
