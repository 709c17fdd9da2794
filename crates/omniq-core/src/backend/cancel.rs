//! Cancels tasks, with the results and the events that belong to it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::events::EventSink;
use super::settle::lacks_room;
use super::{Backend, Report};
use crate::model::*;
use crate::port::iterate;
use crate::{Error, Result, verbs};

/// How many tasks are looked up at a time.
const LOOKUPS: usize = 1_000;

/// How often a task may begin or end a run between its lookup and the verb that follows, before its cancel fails.
const ROUNDS: usize = 100;
/// How long a cancel waits for a task whose row another session has locked, and how long it pauses between two tries.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// What a cancel has still to do.
struct Open<'a> {
    ids: Vec<TaskId>,
    /// These tasks as they were just read.
    read: Option<Vec<Task>>,
    /// Only those that it selects, also when they are read again.
    filter: Option<&'a TaskFilter>,
}

impl Backend {
    /// Cancels what the filter selects, a page at a time.
    pub(super) async fn cancel_by_filter(&self, filter: &TaskFilter) -> Result<CancelCounts> {
        if self.results.is_none() && self.events.is_none() {
            return self.queue.cancel_all(filter).await;
        }
        let mut counts = CancelCounts::default();
        for filter in filter.cancel_passes()? {
            let mut next = Some(iterate::from_start(filter));
            while let Some(filter) = next {
                let page = self.queue.list(&filter).await;
                let page = page.map_err(|error| verbs::cancelled_in_part(counts, error))?;
                next = iterate::next(filter.clone(), &page);
                let ids: Vec<TaskId> = page.iter().map(|task| task.id).collect();
                let open = Open { ids: ids.clone(), read: Some(page), filter: Some(&filter) };
                let answers = self.cancel_with_records(&ids, open).await;
                counts.add(&answers.map_err(|error| verbs::cancelled_in_part(counts, error))?);
            }
        }
        Ok(counts)
    }

    pub(super) async fn cancel_by_id(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        if self.results.is_none() && self.events.is_none() {
            return self.queue.cancel_many(ids).await;
        }
        self.cancel_with_records(ids, Open { ids: ids.to_vec(), read: None, filter: None }).await
    }

    /// Cancels a waiting task by a settlement, which writes its result and its event in the same transaction, and asks
    /// a running one to stop. Each verb acts only on a task in its own state, so a task that changes between the lookup
    /// and the verb is looked up again: none is cancelled without a record.
    async fn cancel_with_records(&self, ids: &[TaskId], mut open: Open<'_>) -> Result<Vec<Cancelled>> {
        let mut answers: HashMap<TaskId, Cancelled> = HashMap::with_capacity(ids.len());
        let (mut rounds, until) = (0, Instant::now() + PATIENCE);
        let joint_events = self.events.as_ref().is_some_and(EventSink::is_with_tasks);
        while rounds < ROUNDS {
            open.ids.sort_unstable();
            open.ids.dedup();
            if open.ids.is_empty() {
                return Ok(ids
                    .iter()
                    .map(|id| answers.get(id).copied().unwrap_or(Cancelled::NotFound))
                    .collect());
            }
            let done = match self.cancel_open(&mut open, &mut answers).await {
                // The events have no room, or another session has locked them: from some time on they are left out.
                Err(error) if joint_events && lacks_room(&error) && Instant::now() < until => false,
                round => round.map_err(|error| in_part(answers.len(), ids.len(), error))?,
            };
            if done {
                rounds += 1;
            } else if Instant::now() < until {
                tokio::time::sleep(PAUSE).await;
            } else {
                return Err(Error::timeout(format!(
                    "task {} could not be cancelled within {PATIENCE:?}: another session holds its row by a lock{}",
                    open.ids[0],
                    besides(answers.len())
                )));
            }
        }
        Err(Error::conflict(format!(
            "task {} has begun or ended a run at each of {ROUNDS} tries to cancel it: try again{}",
            open.ids[0],
            besides(answers.len())
        )))
    }

    /// One round: adds what was done to `answers`, and leaves in `open` what has changed meanwhile. `false`: another
    /// session has locked the row of one of the tasks.
    async fn cancel_open(
        &self,
        open: &mut Open<'_>,
        answers: &mut HashMap<TaskId, Cancelled>,
    ) -> Result<bool> {
        // Looked up first, because the result describes the task and the cancel removes it from the queue.
        let read = match open.read.take() {
            Some(read) => read,
            None => self.look_up(&open.ids).await?,
        };
        let (running, waiting): (Vec<Task>, Vec<Task>) = read
            .into_iter()
            .filter(|task| !task.state.is_final() && open.filter.is_none_or(|filter| filter.selects(task)))
            .partition(|task| task.state == TaskState::Running);
        let batch: Vec<_> =
            waiting.iter().map(|task| self.record(Report::new(task, Outcome::Cancel))).collect();
        let settled = self.settle(&batch, SettleMode::Each).await?;
        let busy = settled.contains(&Settled::Busy);
        let withdrawn = waiting.iter().zip(settled).filter(|(_, settled)| *settled == Settled::Done);
        answers.extend(withdrawn.map(|(task, _)| (task.id, Cancelled::Done)));

        let running: Vec<TaskId> = running.iter().map(|task| task.id).collect();
        if !running.is_empty() {
            let asked = running.iter().copied().zip(self.queue.stop_many(&running).await?);
            answers.extend(asked.filter(|(_, answer)| *answer != Cancelled::NotFound));
        }
        // Tasks that were neither waiting nor running cannot be cancelled, and are not found.
        open.ids = waiting
            .iter()
            .map(|task| task.id)
            .chain(running)
            .filter(|id| !answers.contains_key(id))
            .collect();
        Ok(!busy)
    }

    async fn look_up(&self, ids: &[TaskId]) -> Result<Vec<Task>> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(LOOKUPS) {
            found.extend(self.queue.get_many(ids).await?.into_iter().flatten());
        }
        Ok(found)
    }
}

fn besides(done: usize) -> String {
    if done == 0 { String::new() } else { format!("; {done} other tasks were cancelled or asked to stop") }
}

/// Some of the tasks may be cancelled by now.
fn in_part(done: usize, all: usize, error: Error) -> Error {
    if done == 0 {
        return error;
    }
    verbs::partly(format!("of {all} tasks {done} were cancelled or asked to stop, the others may be"), error)
}
