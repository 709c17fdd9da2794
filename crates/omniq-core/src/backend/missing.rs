//! Why a result has not come: one more look after a wait has run out of time.

use std::time::Duration;

use super::Backend;
use crate::model::*;
use crate::{Error, Result};

/// How long the look may take.
const LOOK: Duration = Duration::from_secs(1);
const STILL: &str = "it may still come, wait longer";

/// What the look has found.
pub(super) enum Look {
    /// The result, which has come since.
    Result(Box<TaskResult>),
    /// Why there is none.
    Reason(String),
    /// Nothing, as it failed or took too long.
    Nothing,
}

impl Backend {
    /// The end of a wait that ran out of time with this error: the result, or an error that says why there is none.
    pub(super) async fn wait_is_over(
        &self,
        id: TaskId,
        timeout: Duration,
        error: Error,
    ) -> Result<TaskResult> {
        match self.look_why(id).await {
            Look::Result(result) => Ok(*result),
            Look::Reason(reason) => {
                Err(Error::timeout(format!("no result of task {id} within {timeout:?}: {reason}")))
            }
            Look::Nothing => Err(error),
        }
    }

    /// Why there is no result of this task.
    pub(super) async fn look_why(&self, id: TaskId) -> Look {
        match tokio::time::timeout(LOOK, self.look_at(id)).await {
            Ok(Ok(look)) => look,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the look for why there is no result failed");
                Look::Nothing
            }
            Err(_) => Look::Nothing,
        }
    }

    async fn look_at(&self, id: TaskId) -> Result<Look> {
        let task = self.queue.get(id).await?;
        let reason = match &task {
            Some(task) if task.state == TaskState::Ready => self.why_it_waits(task).await?,
            Some(task) if task.state == TaskState::Running => {
                let since = task.claimed_at.map(|at| format!(" since {at}")).unwrap_or_default();
                format!("a worker runs it{since}, as attempt {}: {STILL}", task.attempt)
            }
            Some(task) if task.state == TaskState::Scheduled => match &task.error {
                Some(error) => format!("it has failed ({}), and is retried at {}", error.kind, task.run_at),
                None => format!("it is scheduled for {}", task.run_at),
            },
            Some(task) if task.state == TaskState::Blocked => {
                "it is blocked: tasks that it is to run after have not ended".to_owned()
            }
            // It has ended, perhaps just now; its result was stored before.
            ended => match self.latest_results(&[id]).await?.pop() {
                Some(result) => return Ok(Look::Result(Box::new(result))),
                None if ended.is_some() => {
                    "it has ended, and its result has expired or was deleted, or results were off".to_owned()
                }
                None => "there is no such task: it was never enqueued, or it has ended, and its result has expired or was \
                         deleted, or results were off"
                    .to_owned(),
            },
        };
        Ok(Look::Reason(reason))
    }

    /// Why a task is ready and not claimed.
    async fn why_it_waits(&self, task: &Task) -> Result<String> {
        let Task { queue, func, .. } = task;
        let (workers, queues) = tokio::join!(self.queue.workers(), self.queue.queues());
        if queues?.iter().any(|one| one.name == *queue && one.paused) {
            return Ok(format!("its queue {queue:?} is paused: resume it"));
        }
        let mut workers = workers?;
        workers.retain(|worker| !worker.lost && worker.info.queues.contains(queue));
        if workers.is_empty() {
            return Ok(format!("no worker serves its queue {queue:?}: start one"));
        }
        let count = workers.len();
        let knows =
            |worker: &RegisteredWorker| worker.info.funcs.is_empty() || worker.info.funcs.contains(func);
        if !workers.iter().any(knows) {
            return Ok(format!(
                "none of the {count} workers that serve its queue {queue:?} knows the function {func:?}: start one that does"
            ));
        }
        Ok(format!("it is ready, and {count} workers serve its queue {queue:?}: {STILL}"))
    }
}
