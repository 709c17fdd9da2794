//! The end of a history: everything can be read, the counts are right, and what is ready can be claimed.

use std::collections::HashSet;

use super::super::history::Whole;
use super::super::model::Fact;
use super::super::plan::Act;
use super::{Lane, unexpected, view};
use crate::*;

impl Lane {
    pub(super) fn filter(&self) -> TaskFilter {
        TaskFilter { queue: Some(self.name.clone()), limit: Some(1000), ..TaskFilter::default() }
    }

    pub(super) async fn list(&self) -> Result<Vec<Task>, String> {
        self.queue.list(&self.filter()).await.map_err(unexpected("list"))
    }

    /// Checks that everything can be read, that the counts are those of the tasks, and, if `claims`, that what is ready
    /// can be claimed. Leaves nothing.
    pub(super) async fn look_at_the_end(&mut self, claims: bool) -> Result<(), String> {
        let begin = self.now();
        let listed = self.list().await?;
        let facts = listed.iter().map(|task| (task.id, Fact::Seen(Some(view(task))))).collect();
        self.note(begin, "the last list".to_owned(), facts, Whole::Listed);
        let queues = self.queue.queues().await.map_err(unexpected("queues"))?;
        let figures = queues.into_iter().find(|queue| queue.name == self.name).unwrap_or_default();
        let counted = |state| listed.iter().filter(|task| task.state == state).count() as u64;
        let shown = [figures.ready, figures.scheduled, figures.running, figures.dead, figures.completed];
        let there = [
            counted(TaskState::Ready),
            counted(TaskState::Scheduled),
            counted(TaskState::Running),
            counted(TaskState::Dead),
            counted(TaskState::Completed),
        ];
        if shown != there {
            return Err(format!(
                "the figures (ready, scheduled, running, dead, completed) are {shown:?}, the tasks {there:?}"
            ));
        }
        let claimed = if claims { self.claim_all(&listed).await? } else { 0 };
        if !self.claimed.is_empty() {
            let held = self.claimed.drain(..).map(|(id, claim)| (id, claim, Outcome::Discard)).collect();
            self.settle(self.now(), "discard all".to_owned(), held, SettleMode::Each, None).await?;
        }
        let left = listed.len() as u64 - claimed - figures.running;
        if left > 0 {
            self.act(&Act::Purge(None)).await?;
        }
        if claims {
            let left = self.queue.count(&self.filter()).await.map_err(unexpected("count"))?;
            if left > 0 {
                return Err(format!("{left} tasks are left in the end"));
            }
        }
        Ok(())
    }

    /// Claims the ready ones of these tasks, which must all be claimed; returns how many.
    async fn claim_all(&mut self, listed: &[Task]) -> Result<u64, String> {
        let expired: HashSet<TaskId> =
            self.tasks.iter().filter(|(_, expired)| *expired).map(|(id, _)| *id).collect();
        let claimable = |task: &&Task| task.state == TaskState::Ready && !expired.contains(&task.id);
        let ready = listed.iter().filter(claimable).count();
        let mut found = 0;
        while found < ready {
            let before = self.claimed.len();
            self.act(&Act::Claim(1000)).await?;
            if self.claimed.len() == before {
                let seen: Vec<_> =
                    listed.iter().map(|task| (view(task), task.run_at, task.expires_at)).collect();
                return Err(format!("of {ready} tasks that are ready {found} could be claimed: {seen:?}"));
            }
            found += self.claimed.len() - before;
        }
        Ok(ready as u64)
    }
}
