//! The search for the results of tasks: each is looked for at once, and again when its end has rung. Where nothing rings, all are looked
//! for at intervals. `docs/decisions/0048-results-by-push.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::time::Instant;

use crate::ends::relies_on_rings;
use crate::model::*;
use crate::port::{EndSubscription, Rung};
use crate::{Error, Result};

/// The most tasks whose results are read at a time, and thus the most results that wait for the reader.
const CHUNK: usize = 1_000;
/// The shortest and the longest pause between two rounds where nothing rings. It grows while no result arrives.
const POLL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));
/// The same where ends ring, in case that a ring is lost.
const FALLBACK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// How many times as long as its queries took the pause after such a round is at least.
const SHARE: u32 = 20;
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);
/// The least time for a query, even if the caller does not want to wait.
const LEAST: Duration = Duration::from_secs(1);
/// Queries that take less are followed by the next one at once.
const SHORT: Duration = Duration::from_millis(2);

/// Where results are looked for.
pub(crate) trait Source: Sync {
    /// The results of those of these tasks that have one.
    fn results(&self, ids: &[TaskId]) -> impl Future<Output = Result<Vec<TaskResult>>> + Send;

    /// Those of these tasks, whose ends have rung, that will have no result.
    fn without_result(&self, ids: &[TaskId]) -> impl Future<Output = Result<Vec<TaskId>>> + Send;

    /// Subscriptions that ring together for every end; none: nothing rings.
    fn subscribe(&self) -> Vec<Box<dyn EndSubscription>>;
}

/// What a step of the search has found.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Results, those that ended first at the front.
    pub(crate) found: Vec<TaskResult>,
    /// Tasks that ended without a result.
    pub(crate) without: Vec<TaskId>,
}

/// The tasks that are waited for, and the state of the search. Every call may be dropped: that loses nothing.
#[derive(Debug)]
pub(crate) struct Search {
    /// `None`: without end.
    end: Option<Instant>,
    /// The tasks without a result so far, by id, because neighbours are stored together.
    left: BTreeSet<TaskId>,
    /// Those to be looked for now.
    due: BTreeSet<TaskId>,
    /// Those whose ends have rung, not looked for since.
    ended: BTreeSet<TaskId>,
    /// Those that were looked for after that, and had no result.
    silent: BTreeSet<TaskId>,
    /// Those that were not subscribed to, and whether new ones are among them.
    fresh: BTreeSet<TaskId>,
    is_new: bool,
    /// `None`: not asked for yet.
    bells: Option<Vec<Box<dyn EndSubscription>>>,
    /// The pauses of [`POLL`] and [`FALLBACK`].
    poll: Duration,
    fallback: Duration,
    /// Whether this round looks for all that are left, what it has found, and how long its queries took.
    is_full: bool,
    has_found: bool,
    took: Duration,
    /// When the last full round ended, and when the next query may begin.
    looked: Instant,
    rested: Instant,
    /// Whether this round has begun after the end: no more follow.
    is_last: bool,
    pub(crate) is_over: bool,
    /// Why the last round was broken off.
    pub(crate) cause: Option<Error>,
}

impl Search {
    pub(crate) fn new(end: Option<Instant>) -> Self {
        let now = Instant::now();
        Self {
            end,
            left: BTreeSet::new(),
            due: BTreeSet::new(),
            ended: BTreeSet::new(),
            silent: BTreeSet::new(),
            fresh: BTreeSet::new(),
            is_new: false,
            bells: None,
            poll: POLL.0,
            fallback: FALLBACK.0,
            is_full: true,
            has_found: false,
            took: Duration::ZERO,
            looked: now,
            rested: now,
            is_last: end.is_some_and(|end| end <= now),
            is_over: false,
            cause: None,
        }
    }

    /// Adds tasks; returns how many are new.
    pub(crate) fn add(&mut self, ids: &[TaskId]) -> usize {
        let new: Vec<TaskId> = ids.iter().copied().filter(|id| self.left.insert(*id)).collect();
        self.due.extend(&new);
        self.fresh.extend(&new);
        self.is_new |= !new.is_empty();
        new.len()
    }

    pub(crate) fn remove(&mut self, ids: &[TaskId]) {
        for id in ids {
            for set in [&mut self.left, &mut self.due, &mut self.ended, &mut self.silent, &mut self.fresh] {
                set.remove(id);
            }
        }
        self.bells.iter_mut().flatten().for_each(|bell| bell.remove(ids));
    }

    pub(crate) fn left(&self) -> &BTreeSet<TaskId> {
        &self.left
    }

    /// Whether there is something to do before the next rest.
    pub(crate) fn is_due(&self) -> bool {
        !self.due.is_empty() || !self.silent.is_empty() || self.must_subscribe()
    }

    fn must_subscribe(&self) -> bool {
        !self.fresh.is_empty() && !self.is_last
    }

    /// One query: looks for the next tasks that are due, or subscribes.
    pub(crate) async fn step(&mut self, source: &impl Source) -> Result<Step> {
        if !self.silent.is_empty() {
            return self.look_why(source).await;
        }
        if std::mem::take(&mut self.is_new) {
            self.subscribe_at_once(source);
        }
        if !self.due.is_empty() {
            return Ok(Step { found: self.look(source).await?, without: Vec::new() });
        }
        if self.must_subscribe() {
            self.subscribe().await;
        }
        Ok(Step::default())
    }

    /// Waits until tasks are due.
    pub(crate) async fn rest(&mut self) {
        while self.due.is_empty() && !self.is_over && !self.left.is_empty() {
            if self.end.is_some_and(|end| end <= Instant::now()) {
                return self.begin_round(true);
            }
            let next = self.next_round();
            let limit = self.end.map_or(next, |end| end.min(next));
            // Tokio's timers fire a millisecond late at worst: also one that is over when it begins.
            if self.rested > Instant::now() {
                tokio::time::sleep_until(self.rested.min(limit)).await;
            }
            match tokio::time::timeout_at(limit, rung(&mut self.bells)).await {
                Ok(rung) => {
                    let left = &self.left;
                    self.ended.extend(rung.ended.iter().filter(|id| left.contains(id)));
                    self.due.extend(rung.ended.iter().chain(&rung.perhaps).filter(|id| left.contains(id)));
                }
                // At the end all are looked for once more.
                Err(_) if limit == next => self.begin_round(false),
                Err(_) => {}
            }
        }
    }

    /// When all are looked for, whether their ends have rung or not.
    fn next_round(&self) -> Instant {
        let bells = self.bells.as_deref().unwrap_or_default();
        let rings = !bells.is_empty() && bells.iter().all(|bell| bell.rings()) && self.cause.is_none();
        let pause = match rings {
            true if relies_on_rings() => NEVER,
            true => self.fallback.max(self.took * SHARE),
            false => self.poll.max(self.took),
        };
        self.looked + pause
    }

    fn begin_round(&mut self, is_last: bool) {
        self.due.clone_from(&self.left);
        self.is_last = is_last;
        self.is_full = true;
        self.has_found = false;
        self.took = Duration::ZERO;
    }

    /// For tasks whose ends ring without a call of the database, one look is enough.
    fn subscribe_at_once(&mut self, source: &impl Source) {
        let bells = self.bells.get_or_insert_with(|| source.subscribe());
        let ids: Vec<TaskId> = self.fresh.iter().copied().collect();
        if bells.is_empty() || bells.iter_mut().all(|bell| bell.add_at_once(&ids)) {
            self.fresh.clear();
        }
    }

    /// What has ended before the subscription has not rung: it is looked for once more.
    async fn subscribe(&mut self) {
        let ids: Vec<TaskId> = self.fresh.iter().copied().collect();
        let adding = async {
            for bell in self.bells.iter_mut().flatten() {
                bell.add(&ids).await;
            }
        };
        match self.end {
            None => adding.await,
            Some(end) if tokio::time::timeout_at(end, adding).await.is_err() => {
                return self.begin_round(true);
            }
            Some(_) => {}
        }
        self.due.append(&mut self.fresh);
    }

    async fn look(&mut self, source: &impl Source) -> Result<Vec<TaskResult>> {
        let ids: Vec<TaskId> = self.due.iter().take(CHUNK).copied().collect();
        let begun = Instant::now();
        let query = source.results(&ids);
        let answer = match self.end {
            None => query.await,
            Some(end) => tokio::time::timeout_at(end.max(begun + LEAST), query)
                .await
                .unwrap_or_else(|_| Err(Error::timeout("the database has not answered in time"))),
        };
        let took = begun.elapsed();
        let mut found = match answer {
            Ok(found) => found,
            // After an outage, a lock or a full pool another try may succeed.
            Err(error) if error.is_transient() || error.is_timeout() => {
                tracing::debug!(%error, "a look for results failed; trying again");
                self.end_round(Some(error));
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let done: Vec<TaskId> = found.iter().map(|result| result.task_id).collect();
        self.remove(&done);
        for id in &ids {
            self.due.remove(id);
            if self.ended.remove(id) {
                self.silent.insert(*id);
            }
        }
        self.has_found |= !found.is_empty();
        if self.is_full {
            self.took += took;
        }
        // Queries take at most half of the time, and what rings meanwhile is read together.
        self.rested = Instant::now() + if took > SHORT { took } else { Duration::ZERO };
        if self.due.is_empty() {
            self.end_round(None);
        }
        found.sort_by_key(|result| result.finished_at);
        Ok(found)
    }

    /// The one place that decides how long nothing is looked for unless it rings.
    fn end_round(&mut self, cause: Option<Error>) {
        if self.is_full || cause.is_some() {
            self.poll = if self.has_found { POLL.0 } else { (self.poll * 3 / 2).min(POLL.1) };
            self.fallback = (self.fallback * 3 / 2).min(FALLBACK.1);
            self.looked = Instant::now();
        }
        if cause.is_some() {
            // A round that was broken off says nothing about the time that queries take.
            self.took = Duration::ZERO;
            self.due.clear();
        }
        self.is_full = false;
        self.is_over = self.is_last;
        self.cause = cause;
    }

    /// Tasks that have ended, and for which no result was found.
    async fn look_why(&mut self, source: &impl Source) -> Result<Step> {
        let silent: BTreeSet<TaskId> = self.silent.iter().take(CHUNK).copied().collect();
        let without = match source.without_result(&silent.iter().copied().collect::<Vec<_>>()).await {
            Ok(without) => without,
            // The next round looks for the result.
            Err(error) => {
                tracing::debug!(%error, "a look for ended tasks failed");
                Vec::new()
            }
        };
        self.silent.retain(|id| !silent.contains(id));
        self.remove(&without);
        Ok(Step { found: Vec::new(), without })
    }
}

/// What rings first; without subscriptions nothing does.
async fn rung(bells: &mut Option<Vec<Box<dyn EndSubscription>>>) -> Rung {
    match bells.as_mut().filter(|bells| !bells.is_empty()) {
        Some(bells) => select_all(bells.iter_mut().map(|bell| bell.rung())).await.0,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryResultStorage, ResultStorage};

    /// Found by measuring: after a look that had found nothing, a timer that was over kept what had rung for up to 1 ms.
    #[tokio::test(start_paused = true)]
    async fn what_has_rung_is_looked_for_at_once() {
        // Between two ticks of the timers.
        tokio::time::advance(Duration::from_micros(300)).await;
        let (storage, id, begun) = (MemoryResultStorage::new(), TaskId::new(), Instant::now());
        let storing = async {
            tokio::task::yield_now().await;
            storage.store(TaskResult::new(id, ResultStatus::Completed)).await.unwrap();
        };
        let (found, ()) = tokio::join!(storage.wait(id, Duration::from_secs(10)), storing);
        assert_eq!(found.unwrap().task_id, id);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
