//! Waiting for results: all waiters of a storage share one query.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use omniq_core::{Error, Result, ResultStorage, TaskId, TaskResult};
use tokio::sync::oneshot;

use crate::db::Db;
use crate::results::fetch;

/// The shortest and the longest pause between two looks. A pause grows while nothing comes.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// How many ids one query asks for at most.
const CHUNK: usize = 5_000;

fn closed() -> Error {
    Error::closed("the result storage is closed: open a new one")
}

type Answer = Result<TaskResult>;
type Waiting = HashMap<TaskId, Vec<oneshot::Sender<Answer>>>;

/// Who waits for what. A single background task looks for all, and ends when nobody waits.
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
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) async fn wait(&self, id: TaskId, timeout: Duration) -> Answer {
        let db = self.db.upgrade().ok_or_else(closed)?;
        if let Some(result) = fetch(&db, &[id.as_uuid()]).await?.pop() {
            return Ok(result);
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
        match tokio::time::timeout(timeout, &mut answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                drop(answered);
                self.forget(id);
                Err(<dyn ResultStorage>::wait_over(id, timeout))
            }
        }
    }

    /// Strikes off waiters of this task that have gone.
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
                match fetch(&db, ids).await {
                    Ok(results) => {
                        came |= !results.is_empty();
                        self.answer(results);
                    }
                    // The waiters' own timeouts bound how long an outage is borne.
                    Err(error) if error.is_transient() => {}
                    Err(error) => {
                        self.lock().clear();
                        tracing::warn!(%error, "waiting for results failed");
                        return;
                    }
                }
            }
            pause = if came { PAUSE.0 } else { (pause * 3 / 2).min(PAUSE.1) };
            tokio::time::sleep(pause).await;
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
