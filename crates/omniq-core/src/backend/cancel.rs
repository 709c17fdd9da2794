//! Cancel, with the result and the event that belong to it.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Backend, Report};
use crate::Result;
use crate::model::*;

/// How many tasks are looked up at a time; a pool of connections must not be emptied by one call.
const LOOKUPS: usize = 4;

impl Backend {
    pub(super) async fn cancel_with_records(&self, ids: &[TaskId]) -> Result<Vec<Cancelled>> {
        if self.results.is_none() && self.events.is_none() {
            return self.queue.cancel_many(ids).await;
        }
        // The result tells of the task, and the queue forgets it: hence the look before.
        let found: Vec<Option<Task>> =
            stream::iter(ids.to_vec()).map(|id| self.queue.get(id)).buffered(LOOKUPS).try_collect().await?;
        let waiting: Vec<Task> = found.into_iter().flatten().filter(|task| !task.state.is_final()).collect();
        let waiting: Vec<Task> =
            waiting.into_iter().filter(|task| task.state != TaskState::Running).collect();
        let batch = waiting.iter().map(|task| self.record(Report::new(task, Outcome::Cancel))).collect();
        let settled = self.settle(batch, SettleMode::Each).await?;

        let mut answers = vec![Cancelled::Done; ids.len()];
        let withdrawn: std::collections::HashSet<TaskId> = waiting
            .iter()
            .zip(settled)
            .filter_map(|(task, settled)| (settled == Settled::Done).then_some(task.id))
            .collect();
        let (places, rest): (Vec<usize>, Vec<TaskId>) =
            ids.iter().enumerate().filter(|(_, id)| !withdrawn.contains(id)).map(|(i, id)| (i, *id)).unzip();
        if !rest.is_empty() {
            for (place, answer) in places.into_iter().zip(self.queue.cancel_many(&rest).await?) {
                answers[place] = answer;
            }
        }
        Ok(answers)
    }
}
