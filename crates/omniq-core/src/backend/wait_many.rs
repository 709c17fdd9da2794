//! Waits for the results of many tasks: one loop looks for all of them, in rounds of bounded queries.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::Backend;
use super::missing::Look;
use crate::model::*;
use crate::{Error, Result, blocking, verbs};

/// The most tasks whose results are read at a time, and thus the most results that wait for the reader.
const CHUNK: usize = 1_000;
/// The shortest and the longest pause between two rounds. It grows while no result arrives.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// The least time for a query, even if the caller does not want to wait.
const LEAST: Duration = Duration::from_secs(1);

/// The tasks that are waited for, and the state of the search. [`Backend::wait_many`] is made from it; bindings to other
/// languages use it themselves. A call of [`next`](Self::next) that is dropped loses nothing.
#[derive(Debug)]
pub struct WaitMany {
    timeout: Duration,
    /// `None`: without end.
    end: Option<Instant>,
    /// How many tasks were added.
    count: usize,
    /// The tasks without a result so far, by id, because neighbours are stored together.
    left: BTreeSet<TaskId>,
    round: Option<Round>,
    pause: Duration,
    /// When the next round may begin.
    rested: Instant,
    /// Whether a round has begun after the end: no more follow.
    is_over: bool,
    /// Why the last round was broken off.
    cause: Option<Error>,
}

/// A search for the results of all tasks that are left, in the order of their ids.
#[derive(Debug, Default)]
struct Round {
    /// The last task that was looked at.
    after: Option<TaskId>,
    is_last: bool,
    has_found: bool,
    /// How long its queries took.
    took: Duration,
}

impl WaitMany {
    /// A wait for no tasks yet. The timeout counts from now.
    pub fn new(timeout: Duration) -> Self {
        let now = Instant::now();
        Self {
            timeout,
            end: now.checked_add(timeout),
            count: 0,
            left: BTreeSet::new(),
            round: None,
            pause: PAUSE.0,
            rested: now,
            is_over: false,
            cause: None,
        }
    }

    pub(super) fn of(ids: &[TaskId], timeout: Duration) -> Self {
        let mut waiting = Self::new(timeout);
        waiting.add(ids);
        waiting
    }

    /// Waits for these tasks too. An id that is waited for already changes nothing.
    pub fn add(&mut self, ids: &[TaskId]) {
        let before = self.left.len();
        self.left.extend(ids);
        self.count += self.left.len() - before;
    }

    /// The next results, those that ended first at the front; none if all tasks have ended. Errors as of
    /// [`Backend::wait_many`].
    pub async fn next(&mut self, backend: &Backend) -> Result<Vec<TaskResult>> {
        while !self.left.is_empty() {
            if self.round.is_none() {
                if self.is_over {
                    return self.over(backend).await;
                }
                tokio::time::sleep_until(self.rested).await;
                let is_last = self.end.is_some_and(|end| Instant::now() >= end);
                self.round = Some(Round { is_last, ..Round::default() });
            }
            let found = self.look(backend).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// Looks for the results of the next tasks of the round.
    async fn look(&mut self, backend: &Backend) -> Result<Vec<TaskResult>> {
        let Some(round) = &mut self.round else { return Ok(Vec::new()) };
        let first = round.after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids: Vec<TaskId> = self.left.range((first, Bound::Unbounded)).take(CHUNK).copied().collect();
        let begun = Instant::now();
        let query = backend.latest_results(&ids);
        let answer = match self.end {
            None => query.await,
            Some(end) => tokio::time::timeout_at(end.max(begun + LEAST), query)
                .await
                .unwrap_or_else(|_| Err(Error::timeout("the database has not answered in time"))),
        };
        round.took += begun.elapsed();
        let (mut found, cause) = match answer {
            Ok(found) => (found, None),
            // After an outage, a lock or a full pool another try may succeed.
            Err(error) if error.is_transient() || error.is_timeout() => {
                tracing::debug!(%error, "a look for results failed; trying again");
                (Vec::new(), Some(error))
            }
            Err(error) => return Err(error),
        };
        round.after = ids.last().copied();
        round.has_found |= !found.is_empty();
        if ids.len() < CHUNK || cause.is_some() {
            self.end_round(cause);
        }
        for result in &found {
            self.left.remove(&result.task_id);
        }
        found.sort_by_key(|result| result.finished_at);
        Ok(found)
    }

    /// The one place that decides how long nothing is looked for.
    fn end_round(&mut self, cause: Option<Error>) {
        let Some(round) = self.round.take() else { return };
        self.pause = if round.has_found { PAUSE.0 } else { (self.pause * 3 / 2).min(PAUSE.1) };
        // The queries take at most half of the time. A round that was broken off says nothing about that.
        let pause = if cause.is_some() { self.pause } else { self.pause.max(round.took) };
        let rested = Instant::now() + pause;
        self.rested = self.end.map_or(rested, |end| rested.min(end));
        self.is_over = round.is_last;
        self.cause = cause;
    }

    /// The end of the wait: an error that says why the first of the results is missing, or that result.
    async fn over(&mut self, backend: &Backend) -> Result<Vec<TaskResult>> {
        let (missing, timeout) = (self.left.len(), self.timeout);
        let Some(first) = self.left.first().copied() else { return Ok(Vec::new()) };
        // Without an answer of the database there is no use in another question.
        let look = if self.cause.is_some() { Look::Nothing } else { backend.look_why(first).await };
        let error = match look {
            Look::Result(result) => {
                self.left.remove(&first);
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
        Err(match self.cause.take() {
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
