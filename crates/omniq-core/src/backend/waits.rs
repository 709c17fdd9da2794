//! Waits for one result each: all waits of a backend share one search, so that one query looks for the results of many.

use std::collections::HashMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::model::*;
use crate::search::{Search, Source, Step};
use crate::sync::locked;
use crate::{Error, Result, verbs};

/// The least time for the first query, even if the caller does not want to wait.
const FIRST: Duration = Duration::from_secs(1);
/// The pause after an error that no single task explains.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Result<TaskResult>;

/// The waits of a backend. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<TaskId, Vec<oneshot::Sender<Answer>>>,
    /// Tasks that the search does not know yet, and tasks that some wait has left.
    added: Vec<TaskId>,
    left: Vec<TaskId>,
    is_searched: bool,
}

impl Waits {
    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.0.state)
    }

    /// Waits for the result of a task.
    pub(super) async fn wait<S: Source + Clone + Send + 'static>(
        &self,
        source: S,
        id: TaskId,
        timeout: Duration,
    ) -> Answer {
        let end = Instant::now().checked_add(timeout);
        if timeout < FIRST {
            let look = tokio::time::timeout(FIRST, source.results(&[id])).await;
            match look.map_err(|_| verbs::wait_over(id, timeout))? {
                Ok(mut found) if !found.is_empty() => return Ok(found.swap_remove(0)),
                Err(error) if is_final(&error) => return Err(error),
                _ => {}
            }
        }
        loop {
            let mut wait = self.begin(&source, id);
            let answer = match end {
                None => Ok((&mut wait.answer).await),
                Some(end) => tokio::time::timeout_at(end, &mut wait.answer).await,
            };
            match answer {
                Ok(Ok(answer)) => return answer,
                // The runtime that searched has ended: search in this one.
                Ok(Err(_)) => tokio::task::yield_now().await,
                Err(_) => return Err(verbs::wait_over(id, timeout)),
            }
        }
    }

    fn begin<S: Source + Clone + Send + 'static>(&self, source: &S, id: TaskId) -> Wait {
        let (sender, answer) = oneshot::channel();
        let mut state = self.lock();
        state.waiting.entry(id).or_default().push(sender);
        state.added.push(id);
        if !std::mem::replace(&mut state.is_searched, true) {
            drop(state);
            tokio::spawn(Searching { waits: self.clone(), is_done: false }.run(source.clone()));
        } else {
            drop(state);
            self.0.news.notify_one();
        }
        Wait { waits: self.clone(), id, answer }
    }

    fn answer(&self, id: TaskId, answer: &Answer) {
        for waiting in self.lock().waiting.remove(&id).unwrap_or_default() {
            let _ = waiting.send(answer.clone());
        }
    }
}

/// One wait, until it is dropped.
struct Wait {
    waits: Waits,
    id: TaskId,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.answer.close();
        let mut state = self.waits.lock();
        let Some(waiting) = state.waiting.get_mut(&self.id) else { return };
        waiting.retain(|one| !one.is_closed());
        if waiting.is_empty() {
            state.waiting.remove(&self.id);
            state.left.push(self.id);
            drop(state);
            self.waits.0.news.notify_one();
        }
    }
}

/// Whether another query would fail the same way. After an outage, a lock or a full pool it may succeed.
fn is_final(error: &Error) -> bool {
    !error.is_transient() && !error.is_timeout()
}

/// The one search. If it ends early, because its runtime does, the waits learn of it.
struct Searching {
    waits: Waits,
    is_done: bool,
}

impl Searching {
    async fn run(mut self, source: impl Source) {
        let mut search = Search::new(None);
        while self.take_news(&mut search) {
            if !search.is_due() {
                tokio::select! {
                    () = self.waits.0.news.notified() => {}
                    () = search.rest() => {}
                }
                continue;
            }
            match search.step(&source).await {
                Ok(Step { found, without }) => {
                    for result in found {
                        self.waits.answer(result.task_id, &Ok(result));
                    }
                    without.iter().for_each(|id| self.waits.answer(*id, &Err(verbs::without_result(*id))));
                }
                Err(error) => self.fail(&source, &mut search, &error).await,
            }
        }
    }

    /// Adds and removes tasks. False: nobody waits any more.
    fn take_news(&mut self, search: &mut Search) -> bool {
        let mut state = self.waits.lock();
        let (added, left) = (take(&mut state.added), take(&mut state.left));
        let gone: Vec<TaskId> = left.into_iter().filter(|id| !state.waiting.contains_key(id)).collect();
        let added: Vec<TaskId> = added.into_iter().filter(|id| state.waiting.contains_key(id)).collect();
        if state.waiting.is_empty() {
            state.is_searched = false;
            self.is_done = true;
            return false;
        }
        drop(state);
        search.remove(&gone);
        search.add(&added);
        true
    }

    /// A lasting error fails only the waits that it concerns.
    async fn fail(&self, source: &impl Source, search: &mut Search, error: &Error) {
        let all: Vec<TaskId> = search.left().iter().copied().collect();
        let mut failed = Vec::new();
        for id in all {
            let answer = if error.is_closed() {
                Err(error.clone())
            } else {
                source.results(&[id]).await.map(|mut found| found.pop())
            };
            match answer {
                Err(error) if is_final(&error) => {
                    self.waits.answer(id, &Err(error));
                    failed.push(id);
                }
                _ => {}
            }
        }
        search.remove(&failed);
        if failed.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Searching {
    fn drop(&mut self) {
        if !self.is_done {
            *self.waits.lock() = State::default();
        }
    }
}
