//! Cancels tasks, with the results and the events that belong to it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::events::EventSink;
use super::settle::lacks_room;
use super::{Backend, Report};
use crate::model::*;
use crate::{Error, Result};

/// How many tasks are looked up at a time.
const LOOKUPS: usize = 1_000;

/// How often a task may begin or end a run between its lookup and the verb that follows, before its cancel fails.
const ROUNDS: usize = 100;
/// How long a cancel waits for a task whose row another session has locked, and how long it pauses between two tries.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

impl Backend {
    /// Cancels a waiting task by a settlement, which writes its result and its event in the same transaction, and asks
    /// a running one to stop. Each verb acts only on a task in its own state, so a task that changes between the lookup
    /// and the verb is looked up again: none is cancelled without a record.
    pub(super) async fn cancel_with_records(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        if self.results.is_none() && self.events.is_none() {
            return self.queue.cancel_many(ids).await;
        }
        let mut answers: HashMap<TaskId, Cancelled> = HashMap::with_capacity(ids.len());
        let mut open: Vec<TaskId> = ids.to_vec();
        let (mut rounds, until) = (0, Instant::now() + PATIENCE);
        let joint_events = self.events.as_ref().is_some_and(EventSink::is_with_tasks);
        while rounds < ROUNDS {
            open.sort_unstable();
            open.dedup();
            if open.is_empty() {
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
                    open[0],
                    besides(answers.len())
                )));
            }
        }
        Err(Error::conflict(format!(
            "task {} has begun or ended a run at each of {ROUNDS} tries to cancel it: try again{}",
            open[0],
            besides(answers.len())
        )))
    }

    /// One round: adds what was done to `answers`, and leaves in `open` what has changed meanwhile. `false`: another
    /// session has locked the row of one of the tasks.
    async fn cancel_open(
        &self,
        open: &mut Vec<TaskId>,
        answers: &mut HashMap<TaskId, Cancelled>,
    ) -> Result<bool> {
        // Looked up first, because the result describes the task and the cancel removes it from the queue.
        let mut found = Vec::with_capacity(open.len());
        for ids in open.chunks(LOOKUPS) {
            found.append(&mut self.queue.get_many(ids).await?);
        }
        let (running, waiting): (Vec<Task>, Vec<Task>) = found
            .into_iter()
            .flatten()
            .filter(|task| !task.state.is_final())
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
        *open = waiting
            .iter()
            .map(|task| task.id)
            .chain(running)
            .filter(|id| !answers.contains_key(id))
            .collect();
        Ok(!busy)
    }
}

fn besides(done: usize) -> String {
    if done == 0 { String::new() } else { format!("; {done} other tasks were cancelled or asked to stop") }
}

/// Some of the tasks may be cancelled by now, so an error that means that nothing was done, such as that of a pool,
/// would be untrue.
fn in_part(done: usize, all: usize, error: Error) -> Error {
    if done == 0 {
        return error;
    }
    let what = format!("of {all} tasks {done} were cancelled or asked to stop, the others may be");
    if error.is_pool_timeout() || error.is_undone() {
        return Error::unavailable(format!("{what}: {error}")).with_source(error);
    }
    error.context(what)
}
