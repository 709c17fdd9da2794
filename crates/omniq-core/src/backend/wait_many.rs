//! Waits for the results of many tasks.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::Backend;
use super::missing::Look;
use super::source::InBackend;
use crate::model::*;
use crate::search::{Search, Step};
use crate::{Error, Result, blocking, verbs};

/// A wait for the results of tasks. [`Backend::wait_many`] is made from it; bindings to other languages use it themselves. A
/// call of [`next`](Self::next) that is dropped loses nothing.
#[derive(Debug)]
pub struct WaitMany {
    timeout: Duration,
    /// How many tasks were added.
    count: usize,
    search: Search,
    /// Tasks that ended without a result, of which [`next`](Self::next) tells last.
    without: Vec<TaskId>,
}

/// What has ended, as [`WaitMany::next_ended`] gives it. Nothing: all tasks have ended.
#[derive(Debug, Default)]
pub struct EndedTasks {
    /// Results, those that ended first at the front.
    pub results: Vec<TaskResult>,
    /// Tasks that have left no result, each with the error (`is_not_found`) that says so.
    pub without: Vec<(TaskId, Error)>,
}

impl EndedTasks {
    /// Whether all tasks have ended.
    pub fn is_empty(&self) -> bool {
        self.results.is_empty() && self.without.is_empty()
    }
}

impl WaitMany {
    /// A wait for no tasks yet. The timeout counts from now.
    pub fn new(timeout: Duration) -> Self {
        let end = Instant::now().checked_add(timeout);
        Self { timeout, count: 0, search: Search::new(end), without: Vec::new() }
    }

    pub(super) fn of(ids: &[TaskId], timeout: Duration) -> Self {
        let mut waiting = Self::new(timeout);
        waiting.add(ids);
        waiting
    }

    /// Waits for these tasks too. An id that is waited for already changes nothing.
    pub fn add(&mut self, ids: &[TaskId]) {
        self.count += self.search.add(ids);
    }

    /// The next results, those that ended first at the front; none if all tasks have ended. Errors as of
    /// [`Backend::wait_many`].
    pub async fn next(&mut self, backend: &Backend) -> Result<Vec<TaskResult>> {
        loop {
            let Step { found, without } = self.step(backend).await?;
            let all_have_ended = found.is_empty() && without.is_empty();
            self.without.extend(without);
            if !found.is_empty() {
                return Ok(found);
            }
            if all_have_ended {
                break;
            }
        }
        // Those that have a result come first.
        match std::mem::take(&mut self.without)[..] {
            [] => Ok(Vec::new()),
            [id] => Err(verbs::without_result(id)),
            [id, ref others @ ..] => {
                let what = format!("{} other tasks of the wait ended so too", others.len());
                Err(verbs::without_result(id).context(what))
            }
        }
    }

    /// What has ended next, also without a result: the error of one task ends the wait for no other. Other errors as of
    /// [`Backend::wait_many`].
    pub async fn next_ended(&mut self, backend: &Backend) -> Result<EndedTasks> {
        let Step { found, without } = self.step(backend).await?;
        let without = without.into_iter().map(|id| (id, verbs::without_result(id)));
        Ok(EndedTasks { results: found, without: without.collect() })
    }

    /// What the search finds next; nothing if all tasks have ended.
    async fn step(&mut self, backend: &Backend) -> Result<Step> {
        let source = InBackend(backend.clone());
        while !self.search.left().is_empty() {
            if !self.search.is_due() {
                if self.search.is_over {
                    let found = self.over(backend).await?;
                    return Ok(Step { found, without: Vec::new() });
                }
                self.search.rest().await;
                continue;
            }
            let step = self.search.step(&source).await?;
            if !(step.found.is_empty() && step.without.is_empty()) {
                return Ok(step);
            }
        }
        Ok(Step::default())
    }

    /// The end of the wait: an error that says why the first of the results is missing, or that result.
    async fn over(&mut self, backend: &Backend) -> Result<Vec<TaskResult>> {
        let (missing, timeout) = (self.search.left().len(), self.timeout);
        let Some(first) = self.search.left().first().copied() else { return Ok(Vec::new()) };
        // Without an answer of the database there is no use in another question.
        let look = if self.search.cause.is_some() { Look::Nothing } else { backend.look_why(first).await };
        let error = match look {
            Look::Result(result) => {
                self.search.remove(&[first]);
                return Ok(vec![*result]);
            }
            Look::Reason(why) if missing == 1 => {
                Error::timeout(format!("no result of task {first} within {timeout:?}: {why}"))
            }
            Look::Nothing if missing == 1 => verbs::wait_over(first, timeout),
            look => {
                let why = if let Look::Reason(why) = look { format!(" ({why})") } else { String::new() };
                Error::timeout(format!(
                    "no result of {missing} of {} tasks within {timeout:?}, such as of task {first}{why}: they may still come, \
                     wait longer",
                    self.count
                ))
            }
        };
        Err(match self.search.cause.take() {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    pub(super) fn stream(self, backend: Backend) -> BoxStream<'static, Result<TaskResult>> {
        stream::try_unfold((self, backend), async |(mut waiting, backend)| {
            let found = waiting.next(&backend).await?;
            Ok((!found.is_empty()).then(|| (stream::iter(found.into_iter().map(Ok)), (waiting, backend))))
        })
        .try_flatten()
        .boxed()
    }

    pub(super) fn iterator(mut self, backend: Backend) -> impl Iterator<Item = Result<TaskResult>> + use<> {
        let mut is_done = false;
        let batches = std::iter::from_fn(move || {
            if is_done {
                return None;
            }
            match blocking::wait(self.next(&backend)).flatten() {
                Ok(found) => {
                    is_done = found.is_empty();
                    Some(found.into_iter().map(Ok).collect())
                }
                Err(error) => {
                    is_done = true;
                    Some(vec![Err(error)])
                }
            }
        });
        batches.flatten()
    }
}
