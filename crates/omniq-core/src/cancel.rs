//! Cancels tasks as they were read: those that wait by a settlement, with the result and the events that belong to it, and
//! those that run by asking their workers to stop them. One mechanism for cancels by id and by filter, with and without
//! records.

use std::collections::HashMap;
use std::time::{Duration, Instant};

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

/// What a cancel acts on.
pub(crate) trait Canceller: Sync {
    fn last_seq(&self) -> impl Future<Output = Result<Option<i64>>> + Send;

    fn list(&self, filter: &TaskFilter) -> impl Future<Output = Result<Vec<Task>>> + Send;

    fn get_many(&self, ids: &[TaskId]) -> impl Future<Output = Result<Vec<Option<Task>>>> + Send;

    /// Asks the workers of running tasks to stop them.
    fn stop_many(&self, ids: &[TaskId]) -> impl Future<Output = Result<Vec<Cancelled>>> + Send;

    /// The cancel of a waiting task, with what is written about it.
    fn cancels(&self, task: &Task) -> Settlement;

    /// Writes cancels, each by itself.
    fn write(&self, batch: &[Settlement]) -> impl Future<Output = Result<Vec<Settled>>> + Send;

    /// Whether a write that failed with this error is tried again for some time.
    fn tries_again(&self, error: &Error) -> bool;
}

/// Cancels what the filter selects, a page at a time, of the tasks that are there when it begins.
pub(crate) async fn by_filter(canceller: &impl Canceller, filter: &TaskFilter) -> Result<CancelCounts> {
    let mut counts = CancelCounts::default();
    let passes = filter.cancel_passes()?;
    let last = canceller.last_seq().await?;
    for filter in passes {
        let filter = filter.up_to(last);
        let mut next = Some(iterate::from_start(filter));
        while let Some(filter) = next {
            let page = canceller.list(&filter).await;
            let page = page.map_err(|error| verbs::cancelled_in_part(counts, error))?;
            next = iterate::next(filter.clone(), &page);
            let answers = as_read(canceller, page, |task| filter.selects(task)).await;
            counts.add(&answers.map_err(|error| verbs::cancelled_in_part(counts, error))?);
        }
    }
    Ok(counts)
}

/// Cancels tasks; one answer for each in the same order.
pub(crate) async fn by_id(canceller: &impl Canceller, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
    cancel(canceller, ids, None, |_| true).await
}

/// Cancels tasks that were just read, those of them that `selects` still selects if they are read again.
pub(crate) async fn as_read(
    canceller: &impl Canceller,
    read: Vec<Task>,
    selects: impl Fn(&Task) -> bool + Sync,
) -> Result<Vec<Cancelled>> {
    let ids: Vec<TaskId> = read.iter().map(|task| task.id).collect();
    cancel(canceller, &ids, Some(read), selects).await
}

/// Each verb acts only on a task in its own state, so a task that changes between the lookup and the verb is looked up
/// again: none is cancelled without a record.
async fn cancel(
    canceller: &impl Canceller,
    ids: &[TaskId],
    mut read: Option<Vec<Task>>,
    selects: impl Fn(&Task) -> bool + Sync,
) -> Result<Vec<Cancelled>> {
    let mut answers: HashMap<TaskId, Cancelled> = HashMap::with_capacity(ids.len());
    let mut open = ids.to_vec();
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
        // Looked up first, because the result describes the task and the cancel removes it from the queue.
        let found = match read.take() {
            Some(read) => Ok(read),
            None => look_up(canceller, &open).await,
        };
        let round = match found {
            Ok(found) => one_round(canceller, found, &selects, &mut answers).await,
            Err(error) => Err(error),
        };
        let done = match round {
            Ok((left, done)) => {
                open = left;
                done
            }
            // The events have no room, or another session has locked them: from some time on they are left out.
            Err(error) if canceller.tries_again(&error) && Instant::now() < until => false,
            Err(error) => return Err(in_part(answers.len(), ids.len(), error)),
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

/// Adds what was done to `answers`, and returns the ids of tasks that have changed meanwhile. `false`: another session has
/// locked the row of one of the tasks.
async fn one_round(
    canceller: &impl Canceller,
    found: Vec<Task>,
    selects: &(impl Fn(&Task) -> bool + Sync),
    answers: &mut HashMap<TaskId, Cancelled>,
) -> Result<(Vec<TaskId>, bool)> {
    let (running, waiting): (Vec<Task>, Vec<Task>) = found
        .into_iter()
        .filter(|task| !task.state.is_final() && selects(task))
        .partition(|task| task.state == TaskState::Running);
    let batch: Vec<_> = waiting.iter().map(|task| canceller.cancels(task)).collect();
    let settled = if batch.is_empty() { Vec::new() } else { canceller.write(&batch).await? };
    let busy = settled.contains(&Settled::Busy);
    let withdrawn = waiting.iter().zip(settled).filter(|(_, settled)| *settled == Settled::Done);
    answers.extend(withdrawn.map(|(task, _)| (task.id, Cancelled::Done)));

    let busy = stop(canceller, &running, answers).await? || busy;
    // Tasks that were neither waiting nor running cannot be cancelled, and are not found.
    let all = waiting.iter().chain(&running).map(|task| task.id);
    Ok((all.filter(|id| !answers.contains_key(id)).collect(), !busy))
}

/// Asks the workers of running tasks to stop them. A worker that was declared lost hears of nothing, and its tasks may be
/// about to be taken back: they are cancelled by its claims, as their rescue would. Returns whether another session has
/// locked the row of one of them.
async fn stop(
    canceller: &impl Canceller,
    running: &[Task],
    answers: &mut HashMap<TaskId, Cancelled>,
) -> Result<bool> {
    if running.is_empty() {
        return Ok(false);
    }
    let ids: Vec<TaskId> = running.iter().map(|task| task.id).collect();
    let asked = ids.iter().copied().zip(canceller.stop_many(&ids).await?);
    answers.extend(asked.filter(|(_, answer)| *answer != Cancelled::NotFound));
    // Those whose run has ended meanwhile are among them: then the claim does not hold any more.
    let left: Vec<&Task> = running.iter().filter(|task| !answers.contains_key(&task.id)).collect();
    if left.is_empty() {
        return Ok(false);
    }
    let batch: Vec<_> = left.iter().map(|task| canceller.cancels(task)).collect();
    let settled = canceller.write(&batch).await?;
    let busy = settled.contains(&Settled::Busy);
    let done = left.iter().zip(settled).filter(|(_, settled)| *settled == Settled::Done);
    answers.extend(done.map(|(task, _)| (task.id, Cancelled::Done)));
    Ok(busy)
}

async fn look_up(canceller: &impl Canceller, ids: &[TaskId]) -> Result<Vec<Task>> {
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(LOOKUPS) {
        found.extend(canceller.get_many(ids).await?.into_iter().flatten());
    }
    Ok(found)
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
