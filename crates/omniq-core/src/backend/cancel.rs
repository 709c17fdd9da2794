//! Cancel, with the result and the event that belong to it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Backend, Report};
use crate::model::*;
use crate::{Error, Result};

/// How many tasks are looked up at a time; a pool of connections must not be emptied by one call.
const LOOKUPS: usize = 4;

/// How often a task may begin or end a run between a look and the verb that follows, before its cancel is given up.
const ROUNDS: usize = 100;
/// How long a cancel waits for a task whose row another session holds by a lock, and how long it pauses in between.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

impl Backend {
    /// A waiting task is withdrawn by a settlement, which writes its result and its event in the same transaction; a running one is
    /// asked to stop. Each verb touches a task in its own state only, so one that changes between the look and the verb
    /// is looked at again: nothing is withdrawn without a record.
    pub(super) async fn cancel_with_records(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        if self.results.is_none() && self.events.is_none() {
            return self.queue.cancel_many(ids).await;
        }
        let mut answers: HashMap<TaskId, Cancelled> = HashMap::with_capacity(ids.len());
        let mut open: Vec<TaskId> = ids.to_vec();
        let (mut rounds, until) = (0, Instant::now() + PATIENCE);
        while rounds < ROUNDS {
            open.sort_unstable();
            open.dedup();
            if open.is_empty() {
                return Ok(ids
                    .iter()
                    .map(|id| answers.get(id).copied().unwrap_or(Cancelled::NotFound))
                    .collect());
            }
            let round = self.cancel_open(&mut open, &mut answers).await;
            if round.map_err(|error| in_part(answers.len(), ids.len(), error))? {
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

    /// One round: what was done is noted, and what has changed meanwhile stays open. `false`: another session held the row of one of them.
    async fn cancel_open(
        &self,
        open: &mut Vec<TaskId>,
        answers: &mut HashMap<TaskId, Cancelled>,
    ) -> Result<bool> {
        // The result tells of the task, and the queue forgets it: hence the look before.
        let found: Vec<Option<Task>> =
            stream::iter(open.clone()).map(|id| self.queue.get(id)).buffered(LOOKUPS).try_collect().await?;
        let (running, waiting): (Vec<Task>, Vec<Task>) = found
            .into_iter()
            .flatten()
            .filter(|task| !task.state.is_final())
            .partition(|task| task.state == TaskState::Running);
        let batch = waiting.iter().map(|task| self.record(Report::new(task, Outcome::Cancel))).collect();
        let settled = self.settle(batch, SettleMode::Each).await?;
        let busy = settled.contains(&Settled::Busy);
        let withdrawn = waiting.iter().zip(settled).filter(|(_, settled)| *settled == Settled::Done);
        answers.extend(withdrawn.map(|(task, _)| (task.id, Cancelled::Done)));

        let running: Vec<TaskId> = running.iter().map(|task| task.id).collect();
        if !running.is_empty() {
            let asked = running.iter().copied().zip(self.queue.stop_many(&running).await?);
            answers.extend(asked.filter(|(_, answer)| *answer != Cancelled::NotFound));
        }
        // What was neither waiting nor running is not there to be cancelled.
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

/// Some of the tasks may be cancelled by now: an error that says that nothing was done, such as that of a pool, would not be true.
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
