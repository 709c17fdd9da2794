//! Tasks that run after others: the results of those, and the end of blocked tasks whose predecessors have ended otherwise than they ask.

use super::{Backend, Report};
use crate::Result;
use crate::model::*;
use crate::verbs::STEP;

impl Backend {
    pub(super) async fn predecessors_of(&self, id: TaskId) -> Result<Predecessors> {
        let ids = self.queue.predecessors(id).await?;
        let results = match self.results() {
            Some(results) if !ids.is_empty() => results.get_many(&ids).await?,
            _ => vec![None; ids.len()],
        };
        Ok(Predecessors(
            ids.into_iter().zip(results).map(|(id, result)| Predecessor::new(id, result)).collect(),
        ))
    }

    /// After a settlement: ends what it has broken, as far as the queue knows of it. The maintenance of workers finds the rest, so an error is
    /// only logged.
    pub(super) async fn end_what_broke(&self, batch: &[Settlement], settled: &[Settled]) {
        let breaks = |(one, settled): (&Settlement, &Settled)| {
            use Outcome::{Cancel, Discard, Expire, Fail};
            *settled == Settled::Done && matches!(one.outcome, Fail { .. } | Cancel | Discard | Expire)
        };
        if batch.iter().zip(settled).any(breaks) {
            self.end_what_is_broken().await;
        }
    }

    /// Ends what is broken, as far as the queue knows of it; an error is only logged.
    pub(super) async fn end_what_is_broken(&self) {
        if self.queue.has_broken()
            && let Err(error) = self.end_broken().await
        {
            tracing::debug!(%error, "tasks that wait for one that has failed are ended later");
        }
    }

    /// Ends all blocked tasks that have to end.
    pub(crate) async fn end_broken(&self) -> Result<()> {
        loop {
            let broken = self.queue.broken(STEP).await?;
            let batch: Vec<Settlement> = broken.iter().map(|broken| self.end_of(broken)).collect();
            // One that is left was ended, or retried, by another worker. Others are broken by these.
            let settled = self.settle_batch(&batch, SettleMode::Each).await?;
            if !settled.contains(&Settled::Done) {
                return Ok(());
            }
        }
    }

    fn end_of(&self, broken: &Broken) -> Settlement {
        let Broken { task, by, is_dead } = broken;
        let how = if *is_dead { "has failed" } else { "was cancelled, has expired, or was deleted" };
        let error =
            TaskError::new(PREDECESSOR_FAILED, format!("task {by}, which it was to run after, {how}"));
        self.record(if *is_dead {
            Report::new(task, Outcome::Fail { error })
        } else {
            Report { reason: Some(error), ..Report::new(task, Outcome::Cancel) }
        })
    }
}
